// Clicks two objects of the bundled clip and boxes a third, tracks them with the bundled weights, scores the result against the clip's
// exact masks, draws a picture sheet, and says how it was done and where everything is. `npm run demo -- --engine webgpu`
// and `--engine cpu` choose the engine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'samtrack-runtime-'));
const out = resolve('demo-output');

/** The arguments that choose the engine; ends the program where they are others. */
function engine() {
  try {
    const { values } = parseArgs({ options: { engine: { type: 'string' } } });
    return values.engine === undefined ? [] : ['--engine', values.engine];
  } catch (error) {
    console.error(`npm run demo: ${error.message}`);
    process.exit(2);
  }
}

const PROMPTS = [
  ['--object', 'tortoise', '--point', '366,170'],
  ['--object', 'car', '--box', '45,154,131,225'],
  ['--object', 'rocket', '--point', '66,110'],
];
const argv = ['track', 'demo/clip.mp4', ...PROMPTS.flat(), ...engine(), '--out', 'demo-output', '--overwrite'];
console.log(`npx samtrack ${argv.join(' ')}\n`);
const start = performance.now();
const { status } = spawnSync(process.execPath, [join('packages', 'pipeline', 'bin', 'samtrack.mjs'), ...argv], {
  stdio: ['inherit', 'ignore', 'inherit'],
});
if (status !== 0) process.exit(status ?? 1);
const seconds = (performance.now() - start) / 1000;

const { evaluateSequence, summarise } = await import('samtrack/metrics');
const { decodeLabelPng } = await import('samtrack/io');
const { drawSheets } = await import('./picture-sheet.mjs');
const labels = (file) => async () => decodeLabelPng(readFileSync(file), file);
const frames = readdirSync('demo/masks')
  .sort()
  .map((name) => ({ name, truth: labels(join('demo/masks', name)), result: labels(join(out, 'masks', name)) }));
const { objects } = await evaluateSequence('demo', frames);
const summary = summarise(objects);
const percent = (x) => (100 * x).toFixed(1);
const sheets = await drawSheets('demo/clip.mp4', join(out, 'masks'), out, 12);
console.log(`
Two clicks and a box in the first frame became masks, and the masks were carried through the clip.
${frames.length} frames in ${seconds.toFixed(0)} s (${(frames.length / seconds).toFixed(1)} frames a second, start-up, prompts and video writing included)
J&F ${percent(summary.jf)} (J ${percent(summary.j.mean)}, F ${percent(summary.f.mean)}) against the clip's exact masks
look at: ${sheets.join('\n         ')}
overlay: ${join(out, 'overlay.mp4')}
masks:   ${join(out, 'masks')}
COCO:    ${join(out, 'coco.json')}`);
