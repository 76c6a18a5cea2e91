/**
 * `<samtrack-viewer>`: tracks in a page of one's own. One script and one element; nothing else of the app.
 *
 *     <script type="module" src="viewer.js"></script>
 *     <samtrack-viewer src="clip.mp4" mask="first-frame.png" weights="deaot-t.safetensors" autostart></samtrack-viewer>
 *
 * Attributes: `src` (a video or image zip), `mask` (of its first frame), `weights` (of DeAOT-T), `frames` (how many at most), `autostart`.
 * Events: `samtrack-frame` (detail: frame, ids, mask), `samtrack-done`, `samtrack-error` (detail: the error). The element's `track()` begins by
 * hand; `session` is the session, on which everything else can be asked for; taking the element out of the document frees the GPU.
 */
import { readMask, SamTrack, type Session } from 'samtrack';
import { drawOverlay } from 'samtrack/io';

async function fileAt(url: string): Promise<File> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answers ${response.status}`);
  return new File([await response.blob()], new URL(url, document.baseURI).pathname.split('/').at(-1) ?? 'file');
}

class SamTrackViewer extends HTMLElement {
  readonly #canvas = document.createElement('canvas');
  #models: SamTrack | undefined;
  #running: AbortController | undefined;
  session: Session | undefined;

  connectedCallback(): void {
    this.#canvas.style.maxWidth = '100%';
    this.#canvas.setAttribute('role', 'img');
    this.append(this.#canvas);
    if (this.hasAttribute('autostart')) void this.track();
  }

  disconnectedCallback(): void {
    void this.dispose();
  }

  /** Opens the video, unless it is open, and tracks its first frame's objects to the end. */
  async track(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    try {
      const session = await this.#open();
      const most = Number(this.getAttribute('frames')) || Number.POSITIVE_INFINITY;
      for await (const { frame, image, ids, mask, done } of session.propagate({ signal: running.signal })) {
        this.#show(image.width, image.height, drawOverlay(image.rgba, mask));
        this.#canvas.setAttribute('aria-label', `Frame ${frame}, objects ${ids.join(', ')}`);
        this.dispatchEvent(new CustomEvent('samtrack-frame', { detail: { frame, ids, mask } }));
        if (done >= most || running.signal.aborted) break;
      }
      this.dispatchEvent(new CustomEvent('samtrack-done'));
    } catch (error) {
      if (!running.signal.aborted) this.dispatchEvent(new CustomEvent('samtrack-error', { detail: error }));
    }
  }

  /** Stops, and frees the GPU. */
  async dispose(): Promise<void> {
    this.#running?.abort();
    const models = this.#models;
    this.#models = undefined;
    this.session = undefined;
    await models?.dispose();
  }

  async #open(): Promise<Session> {
    if (this.session) return this.session;
    const given = (name: string) => {
      const value = this.getAttribute(name);
      if (!value) throw new Error(`<samtrack-viewer> needs the attribute ${name}`);
      return new URL(value, document.baseURI).href;
    };
    this.#models = await SamTrack.load({ engine: 'webgpu', weights: given('weights'), longEdge: 641 });
    const session = await this.#models.open(await fileAt(given('src')));
    const { width, height } = session.source;
    await session.prompt({ frame: 0, mask: await readMask(await fileAt(given('mask')), { width, height }) });
    this.session = session;
    return session;
  }

  #show(width: number, height: number, rgba: Uint8Array): void {
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    this.#canvas.getContext('2d')!.putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
  }
}

customElements.define('samtrack-viewer', SamTrackViewer);
