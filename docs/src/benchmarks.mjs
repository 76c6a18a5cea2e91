// The benchmarks as pages: what lies in bench/results, one page an adapter.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './repository.mjs';

const RESULTS = join(ROOT, 'bench', 'results');

/** Runners as people know them; those in Chromium have `chromium:` before their names. */
const TITLES = {
  samtrack: 'SAMTrack',
  'samtrack+transfer': 'SAMTrack, with transfers',
  tfjs: 'stock tfjs',
  'onnxruntime-webgpu': 'ONNX Runtime WebGPU',
  'onnxruntime-cpu': 'ONNX Runtime CPU',
  'onnxruntime-wasm': 'ONNX Runtime WebAssembly',
  'samtrack-cpu': 'SAMTrack, CPU engine',
  pytorch: 'PyTorch eager, CPU',
};
const titleOf = (runner) => TITLES[runner.replace('chromium:', '')] ?? runner;

const number = (value) =>
  value === undefined ? '' : Number(value.toPrecision(3)).toLocaleString('en', { useGrouping: false });
const table = (head, rows) => [
  `| ${head.join(' | ')} |`,
  `| ${head.map((_, i) => (i === 0 ? '---' : '---:')).join(' | ')} |`,
  ...rows.map((row) => `| ${row.join(' | ')} |`),
  '',
];

/** A bar for each runner, its length the logarithm of its time: ratios are lengths. */
function bars(results) {
  const times = results.flatMap(({ runners }) => Object.values(runners).map(({ wall }) => wall.median));
  const [least, most] = [Math.min(...times) / 2, Math.max(...times)];
  const share = (time) => (100 * Math.log(time / least)) / Math.log(most / least);
  const row = ([runner, { wall }]) =>
    `<tr><td>${titleOf(runner)}</td><td><span class="bar${/samtrack/.test(runner) ? ' ours' : ''}" style="width:${share(wall.median).toFixed(1)}%"></span></td><td>${number(wall.median)} ms</td></tr>`;
  return results.flatMap(({ name, runners }) => [
    `<table class="bars"><caption>${name}</caption><tbody>${Object.entries(runners).map(row).join('')}</tbody></table>`,
    '',
  ]);
}

/** One report of `npm run bench`. */
function reportOf(file, report) {
  const { adapter, machine, versions, date, commit, modified, kernels, models, ceilings, notes = [] } = report;
  const results = [...models, ...kernels];
  const runners = [...new Set(results.flatMap((result) => Object.keys(result.runners)))];
  const ours = runners.find((runner) => /samtrack$/.test(runner));
  const others = runners.filter((runner) => runner !== ours && !/transfer$/.test(runner));
  const rows = results.map(({ name, runners: timed, ratios, flops }) => {
    const { wall } = timed[ours];
    return [
      `\`${name}\``,
      `${number(wall.median)} ms`,
      `${Math.round(100 * wall.spread)} %`,
      number(flops && flops / wall.median / 1e6),
      ...others.map((runner) => (ratios?.[runner] ? `${number(ratios[runner])}x` : '')),
    ];
  });
  return [
    `## ${results.map(({ name }) => name).join(', ')}`,
    '',
    ...table(['benchmark', 'SAMTrack', 'spread', 'GFLOP/s', ...others.map(titleOf)], rows),
    ...bars(results),
    `Medians of ${results[0].runners[ours].wall.samples} rounds in turns. The columns of others are their time over ours; bars are times on a logarithmic scale.`,
    ...(ceilings
      ? [`Ceilings of the adapter: ${number(ceilings.gemmGflops)} GFLOP/s, ${number(ceilings.copyGBps)} GB/s.`]
      : []),
    `Adapter: ${[adapter.description, adapter.device, adapter.vendor].find(Boolean)} (${adapter.kind}). Machine: ${machine.cores} cores, ${machine.cpu}, load ${number(machine.load)}. ${Object.entries(
      versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(
        ', ',
      )}. ${date.slice(0, 10)}, commit \`${commit.slice(0, 7)}\`${modified ? ' and changes after it' : ''}. Data: \`bench/results/${file}\`.`,
    ...notes.map((note) => `\n> ${note}`),
    '',
  ];
}

/** Other results are tables of numbers by name, with what they are said beside them. */
function sweepOf(file, data) {
  const lines = [`## ${file.split('/').at(-1)}`, ''];
  for (const text of [data.what, data.unit, data.adapter].filter((value) => typeof value === 'string'))
    lines.push(text, '');
  const visit = (name, value) => {
    const entries = Object.entries(value).filter(([, inner]) => typeof inner === 'object' && inner !== null);
    for (const [key, text] of Object.entries(value)) if (key === 'what' && name) lines.push(text, '');
    const leaves = entries.filter(([, inner]) => Object.values(inner).some((leaf) => typeof leaf === 'number'));
    if (leaves.length > 0) {
      const columns = [
        ...new Set(leaves.flatMap(([, inner]) => Object.keys(inner).filter((key) => typeof inner[key] === 'number'))),
      ];
      if (name) lines.push(`### ${name}`, '');
      lines.push(
        ...table(
          ['', ...columns],
          leaves.map(([key, inner]) => [`\`${key}\``, ...columns.map((column) => number(inner[column]))]),
        ),
      );
    }
    for (const [key, inner] of entries) {
      if (Object.values(inner).some((leaf) => typeof leaf === 'object')) visit(name ? `${name}, ${key}` : key, inner);
    }
  };
  visit('', data);
  lines.push(`Data: \`bench/results/${file}\`.`, '');
  return lines;
}

/** @returns one page with the method, and one for each adapter */
export function benchmarkPages() {
  const adapters = readdirSync(RESULTS, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const pages = adapters.map(({ name }) => {
    const folder = join(RESULTS, name);
    const written = existsSync(join(folder, 'README.md'))
      ? readFileSync(join(folder, 'README.md'), 'utf8')
      : `# ${name}\n`;
    const files = readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .sort();
    const parts = files.map((file) => {
      const data = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      const isReport = 'models' in data && 'kernels' in data;
      return { rank: isReport ? 0 : 1, lines: (isReport ? reportOf : sweepOf)(`${name}/${file}`, data) };
    });
    parts.sort((a, b) => a.rank - b.rank);
    const [heading, ...rest] = written.split('\n');
    return {
      path: `benchmarks/${name}.md`,
      source: `bench/results/${name}/README.md`,
      title: heading.replace(/^# /, ''),
      text: [rest.join('\n').trim(), '', ...parts.flatMap(({ lines }) => lines)].join('\n'),
    };
  });
  const method = readFileSync(join(ROOT, 'bench', 'README.md'), 'utf8').replace(/^# .*\n/, '');
  return { path: 'benchmarks.md', source: 'bench/README.md', title: 'Benchmarks', text: method, children: pages };
}
