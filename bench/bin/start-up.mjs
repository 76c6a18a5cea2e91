// How long a new process takes to its first results: `samtrack track` of the bundled clip from an exact mask, on the CPU engine, with
// graphs and files in their caches. By the clock from the start of the process until a mask is a file; CPU time and memory are the process's own.
//
//   node bench/bin/start-up.mjs [--rounds N] [--json FILE]
//
// Other programs make it slower: the system's load is told beside each round.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, json: { type: 'string' } },
});
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a number, not "${values.rounds}".`);

/** Says at the end what the process took. */
const TELL = `data:text/javascript,${encodeURIComponent(
  'process.on("exit", () => { const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();' +
    ' console.error("took " + JSON.stringify([(userCPUTime + systemCPUTime) / 1e6, maxRSS / 1e3])); });',
)}`;

/** @returns seconds, and MB */
async function round() {
  const folder = mkdtempSync(join(tmpdir(), 'samtrack-start-'));
  const masks = ['00000', '00001'].map((name) => join(folder, 'out', 'masks', `${name}.png`));
  const clip = join(root, 'demo');
  const program = join(root, 'packages/pipeline/bin/samtrack.mjs');
  const args = [join(clip, 'clip.mp4'), '--mask', join(clip, 'masks/00000.png'), '--out', join(folder, 'out')];
  const load = loadavg()[0];
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  const child = spawn(process.execPath, ['--import', TELL, program, 'track', ...args, '--to', '3', '--engine', 'cpu'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const seen = [];
  const look = setInterval(() => {
    for (const [i, mask] of masks.entries()) if (seen[i] === undefined && existsSync(mask)) seen[i] = since();
  }, 2);
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const end = since();
  clearInterval(look);
  rmSync(folder, { recursive: true });
  const took = /^took (.*)$/m.exec(said);
  if (code !== 0 || seen.length < 2 || !took) throw new Error(`samtrack track failed (${code}):\n${said}`);
  const [cpu, memory] = JSON.parse(took[1]);
  return { firstMask: seen[0], firstTracked: seen[1], end, cpu, peakMB: memory, load };
}

// Fills the caches.
await round();
const results = [];
for (let i = 0; i < rounds; i++) {
  results.push(await round());
  const { firstMask, firstTracked, cpu, peakMB, load } = results.at(-1);
  console.log(
    `first mask ${firstMask.toFixed(2)} s, first tracked ${firstTracked.toFixed(2)} s; to the end ${cpu.toFixed(2)} s of CPU time, ` +
      `${peakMB.toFixed(0)} MB at most; load ${load.toFixed(1)}`,
  );
}
const of = (key, rank) => results.map((one) => one[key]).sort((a, b) => a - b)[rank];
const told = Object.fromEntries(
  ['firstMask', 'firstTracked', 'cpu', 'peakMB'].map((key) => [
    key,
    { best: of(key, 0), median: of(key, rounds >> 1) },
  ]),
);
console.log(
  `first tracked mask: median ${told.firstTracked.median.toFixed(2)} s, best ${told.firstTracked.best.toFixed(2)} s`,
);
if (values.json) {
  const file = resolve(process.env.INIT_CWD ?? '.', values.json);
  mkdirSync(dirname(file), { recursive: true });
  const machine = { processor: cpus()[0]?.model.trim(), cores: cpus().length, node: process.versions.node };
  const report = { schema: 1, date: new Date().toISOString(), machine, ...told, rounds: results };
  writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
}
