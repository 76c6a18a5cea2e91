/**
 * A run that writes its results, or an export of them, in a process of its own that may be killed at any moment. Says when it has begun.
 * Arguments: `run` or `export`, the folder of frames, the folder of results, that of the export.
 */
import { setTimeout } from 'node:timers/promises';
import { exportResults, ResultWriter } from '../../src/export/index.js';
import { type Frame, openOutputFolder, openSource } from '../../src/io/index.js';

const [kind, frames, out, exported] = process.argv.slice(2) as [string, string, string, string?];
const formats = ['csv', 'zip', 'frames', 'davis', 'youtube-vos'] as const;
const source = await openSource(frames);
const labelsOf = ({ width, height, index }: Frame) => ({
  width,
  height,
  data: Uint16Array.from({ length: width * height }, (_, i) => (i % width < 3 + index ? 1 : 0)),
});
console.log('begun');
if (kind === 'run') {
  const folder = openOutputFolder(out);
  const writer = await ResultWriter.open({ folder, source, overlay: false, formats, existing: 'resume' });
  for await (const frame of source) {
    const labels = writer.done.has(frame.name) ? await writer.readDone(frame) : labelsOf(frame);
    await writer.add(frame, labels);
    await setTimeout(3);
  }
  await writer.finish();
} else {
  await exportResults({ results: openOutputFolder(out), folder: openOutputFolder(exported!), source, formats });
}
process.exit(0);
