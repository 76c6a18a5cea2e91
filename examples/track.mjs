// Track the objects of a mask through a video: node track.mjs VIDEO MASK OUT
// Stopped at any time, it goes on from the project file. In a browser, the same with a File for VIDEO and a URL for `weights`.
import { openOutputFolder, readMask, SamTrack } from 'samtrack';

const [video, mask, out] = process.argv.slice(2);
const st = await SamTrack.load({ model: 'deaot-t' });
const session = await st.open(video, { project: `${out}/project.samtrack`, memoryMB: 1000 });
if (session.objects.length === 0) await session.prompt({ frame: 0, mask: await readMask(mask) });

const folder = openOutputFolder(out);
for await (const { name, ids, mask, drift, memory } of session.propagate()) {
  await folder.writeFile(`${name}.png`, await mask.toPalettePng());
  console.log(`${name}: objects ${ids.join(', ')}; drift ${drift.toFixed(2)}; ${Math.ceil(memory.usedBytes / 1e6)} MB`);
}

const next = session.suggest();
if (next) console.log(`look at frame ${next.frame} next: object ${next.object} is least sure there (${next.reason})`);
await st.dispose();
