import type { Frame } from '../io/frame-source.js';
import type { LabelMap } from '../io/label-map.js';
import { drawOverlay } from '../io/overlay.js';
import { VideoWriter } from '../io/video-writer.js';
import { cutOut } from './cut-out.js';
import type { ExportContext, Exporter } from './exporter.js';

async function openVideoExporter(
  path: string,
  { folder, source, video: options, audio = true }: ExportContext,
  kind: Pick<Parameters<typeof VideoWriter.open>[1], 'container' | 'codecs' | 'alpha'>,
  draw: (frame: Frame, labels: LabelMap) => Uint8Array,
): Promise<Exporter> {
  const { width, height, frameCount } = source;
  const file = await folder.createFile(path);
  let writer: VideoWriter;
  try {
    writer = await VideoWriter.open(file, {
      label: `${folder.label}/${path}`,
      width,
      height,
      ...options,
      ...kind,
      audio: audio ? source.audio : undefined,
    });
  } catch (error) {
    await file.discard();
    throw error;
  }
  let last = -1;
  const { droppedAudio, container } = writer;
  return {
    path,
    warnings: droppedAudio ? [`${path} has no sound: ${container} cannot hold ${droppedAudio} audio`] : [],
    async add(frame, labels) {
      await writer.add(frame, draw(frame, labels));
      last = frame.index;
    },
    async finish(stopped) {
      // The sound ends with the pictures, unless they are all of the source's.
      await writer.finish(stopped || (frameCount !== undefined && last < frameCount - 1));
      return last >= 0;
    },
    discard: () => writer.discard(),
  };
}

/** The source with its masks drawn on it, its times and its sound: `overlay.mp4`. */
export const openOverlay = (context: ExportContext): Promise<Exporter> =>
  openVideoExporter('overlay.mp4', context, {}, ({ rgba }, labels) => drawOverlay(rgba, labels, context.overlay));

/** The objects alone on a transparent ground: `cutout.webm`, VP9 with an alpha channel. */
export const openCutoutVideo = (context: ExportContext): Promise<Exporter> =>
  openVideoExporter('cutout.webm', context, { container: 'WebM', codecs: ['vp9'], alpha: true }, ({ rgba }, labels) =>
    cutOut(rgba, labels),
  );
