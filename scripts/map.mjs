// The map of the house in CONTRIBUTING.md, made from what the files import.
//   node scripts/map.mjs           writes it
//   node scripts/map.mjs --check   fails where it is out of date, or an import goes up or in a circle
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const DOCUMENT = join(ROOT, 'CONTRIBUTING.md');
const [BEGIN, END] = ['<!-- map: npm run map -->', '<!-- end of the map -->'];

/**
 * The floors, from the top down. A file belongs to the first room whose folder or file it lies in; it may import what is on its own
 * room or on a floor below. Rooms of one floor know nothing of each other.
 */
export const FLOORS = [
  {
    rule: 'what people start; nobody imports it',
    rooms: ['packages/app', 'packages/farm', 'bench', 'examples', 'demo'],
  },
  { rule: 'video: sessions, modes, files, metrics, the command line', rooms: ['packages/pipeline'] },
  {
    rule: 'the catalogue of weights; networks on ONNX Runtime, where there is no GPU',
    rooms: ['weights', 'packages/onnx'],
  },
  { rule: 'what tests and benchmarks of other packages use', rooms: ['packages/models/src/testing'] },
  { rule: 'what the package shows', rooms: ['packages/models/src/index.ts'] },
  { rule: 'models beside their published twins', rooms: ['packages/models/src/verify'] },
  {
    rule: 'models that are made with other models',
    rooms: [
      'packages/models/src/grounding-dino',
      'packages/models/src/propagation',
      'packages/models/src/sam2',
      'packages/models/src/sam-small',
    ],
  },
  {
    rule: 'one folder a model; what it has in common with others lies below',
    rooms: ['packages/models/src/sam', 'packages/models/src/deaot'],
  },
  { rule: 'what trackers have in common', rooms: ['packages/models/src/tracking'] },
  { rule: 'backbones', rooms: ['packages/models/src/encoders'] },
  { rule: 'layers, named as in timm and in state dicts; replay', rooms: ['packages/models/src/nn'] },
  {
    rule: 'no GPU: files of weights, pixels, masks',
    rooms: ['packages/models/src/checkpoint', 'packages/models/src/image', 'packages/models/src/masks'],
  },
  { rule: 'what the package shows', rooms: ['packages/kernels/src/index.ts', 'packages/kernels/src/testing'] },
  { rule: 'the composition root: puts a runtime together', rooms: ['packages/kernels/src/initialize.ts'] },
  { rule: 'WebGPU as an engine', rooms: ['packages/kernels/src/webgpu-engine.ts'] },
  { rule: 'what models need of an engine; knows no WGSL', rooms: ['packages/kernels/src/engine.ts'] },
  {
    rule: 'all operations, and all of their cases',
    rooms: ['packages/kernels/src/ops/index.ts', 'packages/kernels/src/ops/cases.ts'],
  },
  { rule: 'the operations that networks are written in', rooms: ['packages/kernels/src/ops/op-set.ts'] },
  {
    rule: 'one folder an operation; and choosing among its variants by measurement, which knows no operation',
    rooms: ['packages/kernels/src/ops', 'packages/kernels/src/tuning'],
  },
  { rule: 'kernels that several operations are made of', rooms: ['packages/kernels/src/families'] },
  {
    rule: 'what an operation is, and what a case of one',
    rooms: ['packages/kernels/src/op', 'packages/kernels/src/ops/case.ts'],
  },
  {
    rule: 'declaring and recording kernels; knows no operation and no measurement',
    rooms: ['packages/kernels/src/dispatch'],
  },
  {
    rule: 'the GPU and its class; the text of kernels',
    rooms: ['packages/kernels/src/device', 'packages/kernels/src/wgsl'],
  },
  {
    rule: 'no GPU: a hash, random numbers, the error of a result, work in order',
    rooms: ['packages/kernels/src/common'],
  },
];

/** What does not count: tests, what is built, and declarations of file types. */
const skipped = (path) => /(^|\/)(node_modules|dist|test|fixtures)\/|\.test\.[mc]?[jt]s$|\.d\.ts$/.test(path);

const allRooms = FLOORS.flatMap(({ rooms }, floor) => rooms.map((room) => ({ room, floor })));

/** The room and the floor of a file, by the longest path that it lies in. */
function placeOf(path) {
  const inside = allRooms.filter(({ room }) => path === room || path.startsWith(`${room}/`));
  return inside.sort((a, b) => b.room.length - a.room.length)[0];
}

/** Source files of the house, from its root on. */
function sourceFiles() {
  const folders = ['packages', 'bench', 'weights/src', 'examples', 'demo'].map((folder) => join(ROOT, folder));
  return folders
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.[mc]?tsx?$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((path) => !skipped(path))
    .sort();
}

/** Packages by name, and the source file behind each of their exports. */
function packages() {
  const manifests = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}`);
  const found = new Map();
  for (const folder of [...manifests, 'weights', 'bench']) {
    let manifest;
    try {
      manifest = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
    } catch {
      continue;
    }
    for (const [entry, targets] of Object.entries(manifest.exports ?? {})) {
      const source = targets?.['samtrack-source'];
      if (typeof source === 'string') found.set(join(manifest.name, entry), join(folder, source));
    }
  }
  return found;
}

/** Every import between files of the house: from, to. Those of `#...` count for both files that they may mean. */
export function imports() {
  const entries = packages();
  const pairs = [];
  for (const from of sourceFiles()) {
    const text = readFileSync(join(ROOT, from), 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
    for (const [, name] of text.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (name.startsWith('.')) pairs.push([from, join(dirname(from), name).replace(/\.js$/, '.ts')]);
      else if (entries.has(name)) pairs.push([from, entries.get(name)]);
      else if (name.startsWith('#')) {
        const folder = /^(packages\/[^/]+|[^/]+)\//.exec(from)[1];
        const targets = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')).imports[name];
        for (const target of Object.values(targets['samtrack-source'])) pairs.push([from, join(folder, target)]);
      }
    }
  }
  return pairs;
}

/** What is wrong with the house: files without a room, imports that go up, aside or in a circle. */
export function findFaults(pairs = imports()) {
  const faults = new Set();
  for (const path of sourceFiles()) {
    if (/^packages\/(models|kernels)\//.test(path) && !placeOf(path)) {
      faults.add(`${path} lies in no room: say in scripts/map.mjs on which floor it is`);
    }
  }
  for (const [from, to] of pairs) {
    const [a, b] = [placeOf(from), placeOf(to)];
    if (!a || !b || a.room === b.room || b.floor > a.floor) continue;
    faults.add(`${from} imports ${to}, which is ${a.floor === b.floor ? 'beside it' : 'above it'}`);
  }
  for (const circle of findCircles(pairs)) faults.add(`${circle.join(' imports ')}: a circle`);
  return [...faults].sort();
}

/** Files that import each other, from each on back to itself; types count. */
function findCircles(pairs) {
  const targets = new Map();
  for (const [from, to] of pairs) targets.set(from, [...(targets.get(from) ?? []), to]);
  const circles = [];
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) circles.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return circles;
}

/** A room's name for readers: `kernels/op` for `packages/kernels/src/op`. */
export const title = (room) =>
  room
    .replace(/^packages\//, '')
    .replace('/src', '')
    .replace(/\.ts$/, '');
const id = (room) => title(room).replaceAll(/\W/g, '_');

/** The house as it stands: its floors from the top down with their rooms, and an arrow for each import that no longer way says already. */
export function house(pairs = imports()) {
  const below = new Map(allRooms.map(({ room }) => [room, new Set()]));
  for (const [from, to] of pairs) {
    const [a, b] = [placeOf(from), placeOf(to)];
    if (a && b && a.room !== b.room) below.get(a.room).add(b.room);
  }
  const reaches = (from, to) => [...below.get(from)].some((next) => next === to || reaches(next, to));
  const present = allRooms.filter(
    ({ room }) => below.get(room).size > 0 || pairs.some(([, to]) => placeOf(to)?.room === room),
  );
  const arrows = present.flatMap(({ room }) =>
    [...below.get(room)]
      .sort()
      .filter((target) => ![...below.get(room)].some((next) => next !== target && reaches(next, target)))
      .map((target) => [room, target]),
  );
  const floors = FLOORS.map(({ rooms, rule }, i) => ({
    number: FLOORS.length - i,
    rule,
    rooms: rooms.filter((room) => present.some((place) => place.room === room)),
  })).filter(({ rooms }) => rooms.length > 0);
  return { floors, arrows };
}

/** The map as Mermaid, and the floors as a table. */
export function draw(pairs = imports()) {
  const { floors, arrows } = house(pairs);
  const rooms = floors.flatMap((floor) => floor.rooms);
  const lines = [
    '```mermaid',
    'flowchart TD',
    ...rooms.map((room) => `  ${id(room)}["${title(room)}"]`),
    ...arrows.map(([from, to]) => `  ${id(from)} --> ${id(to)}`),
    '```',
  ];
  const rows = floors.map(({ number, rule, rooms: there }) => [
    String(number),
    there.map((room) => `\`${room}\``).join(', '),
    rule,
  ]);
  return [...lines, '', ...table([['floor', 'what is there', 'rule'], ...rows])].join('\n');
}

/** A table as the formatter wants it. */
function table([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

/** The document with today's map in it. */
export function withMap(document, map = draw()) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`CONTRIBUTING.md has no "${BEGIN}" before "${END}".`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${map}\n\n${document.slice(end)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pairs = imports();
  const faults = findFaults(pairs);
  const document = readFileSync(DOCUMENT, 'utf8');
  const drawn = withMap(document, draw(pairs));
  if (!process.argv.includes('--check')) writeFileSync(DOCUMENT, drawn);
  else if (drawn !== document) faults.push('The map in CONTRIBUTING.md is out of date: npm run map');
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
