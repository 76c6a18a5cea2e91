// Tracks the three objects of the bundled clip with the bundled weights, scores the result against the clip's exact masks
// and says where everything is.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'samtrack-runtime-'));
const out = resolve('demo-output');
rmSync(out, { recursive: true, force: true });

const start = performance.now();
const { status } = spawnSync(
  process.execPath,
  [
    join('packages', 'pipeline', 'bin', 'samtrack.mjs'),
    'track',
    'demo/clip.mp4',
    '--mask',
    'demo/masks/00000.png',
    '--out',
    out,
  ],
  { stdio: ['inherit', 'ignore', 'inherit'] },
);
if (status !== 0) process.exit(status ?? 1);
const seconds = (performance.now() - start) / 1000;

const { evaluateSequence, summarise } = await import('samtrack/metrics');
const { decodeLabelPng } = await import('samtrack/io');
const labels = (file) => async () => decodeLabelPng(readFileSync(file), file);
const frames = readdirSync('demo/masks')
  .sort()
  .map((name) => ({ name, truth: labels(join('demo/masks', name)), result: labels(join(out, 'masks', name)) }));
const summary = summarise((await evaluateSequence('demo', frames)).objects);
const percent = (x) => (100 * x).toFixed(1);
console.log(`
${frames.length} frames in ${seconds.toFixed(0)} s (${(frames.length / seconds).toFixed(1)} frames a second, start-up and video writing included)
J&F ${percent(summary.jf)} (J ${percent(summary.j.mean)}, F ${percent(summary.f.mean)}) against the clip's exact masks
overlay: ${join(out, 'overlay.mp4')}
masks:   ${join(out, 'masks')}
COCO:    ${join(out, 'coco.json')}`);
