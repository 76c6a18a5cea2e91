/** Browsers bring their own codecs (WebCodecs). */
export async function prepareCodecs(): Promise<void> {}
