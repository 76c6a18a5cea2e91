/**
 * A session in a process of its own: a mask in frame 0, a correction in frame 6, tracked to the end. Says every frame it has done.
 * Arguments: project file, model, weights, frames.
 */
import type { DeAotName } from '@samtrack/models';
import { SamTrack } from '../../src/session/index.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const [project, model, weights, frames] = process.argv.slice(2);
const st = await SamTrack.load({ model: model as DeAotName, weights: weights!, longTermGap: 2 });
const session = await st.open(new WaveSource(Number(frames)), { project: project! });
console.log(`opened ${session.objects.length}`);
if (session.objects.length === 0) {
  await session.prompt({ frame: 0, mask: rectangles(SIZE, [1, 2, 4, 12, 28], [2, 20, 4, 31, 28]) });
  for await (const { frame } of session.propagate({ to: 10 })) console.log(`frame ${frame}`);
  await session.prompt({ frame: 6, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) });
}
for await (const { frame } of session.propagate()) console.log(`frame ${frame}`);
await session.close();
await st.dispose();
console.log('done');
process.exit(0);
