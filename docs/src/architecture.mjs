// The architecture page: CONTRIBUTING's map, drawn.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instance } from '@viz-js/viz';
import { house, title } from '../../scripts/map.mjs';
import { ROOT } from './repository.mjs';

/** The map as SVG: a box for each room, on its floor; an arrow for each import. Colours are the style sheet's. */
export async function drawHouse({ floors, arrows } = house()) {
  const quoted = (room) => JSON.stringify(title(room));
  const dot = [
    'digraph {',
    'graph [rankdir=TB, ranksep=0.35, nodesep=0.25, bgcolor=transparent]',
    'node [shape=box, style=rounded, fontname="sans-serif", fontsize=12, height=0.3, margin="0.12,0.05"]',
    'edge [arrowsize=0.6]',
    ...floors.map(({ rooms }) => `{ rank=same; ${rooms.map(quoted).join('; ')} }`),
    // Floors lie below each other even where nothing leads from one to the next.
    ...floors.slice(1).map(({ rooms }, i) => `${quoted(floors[i].rooms[0])} -> ${quoted(rooms[0])} [style=invis]`),
    ...arrows.map(([from, to]) => `${quoted(from)} -> ${quoted(to)}`),
    '}',
  ].join('\n');
  const viz = await instance();
  const svg = viz.renderString(dot, { format: 'svg' });
  return svg
    .slice(svg.indexOf('<svg'))
    .replaceAll(/<!--[\s\S]*?-->|<title>[\s\S]*?<\/title>/g, '')
    .replaceAll('black', 'currentColor')
    .replace(
      /width="[^"]*" height="[^"]*"/,
      'class="map" role="img" aria-label="The map of the house: which part imports which"',
    )
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** The page: text of the repository, with the map drawn in the place of its source. */
export async function architecturePage() {
  const written = readFileSync(join(ROOT, 'docs', 'architecture.md'), 'utf8');
  const { floors, arrows } = house();
  const rows = floors.map(
    ({ number, rooms, rule }) => `| ${number} | ${rooms.map((room) => `\`${room}\``).join(', ')} | ${rule} |`,
  );
  const map = [
    `<div class="scroll">${await drawHouse({ floors, arrows })}</div>`,
    '',
    '| floor | what is there | rule |',
    '| ---: | --- | --- |',
    ...rows,
  ];
  const [heading, ...rest] = written.split('\n');
  return {
    path: 'architecture.md',
    source: 'docs/architecture.md',
    title: heading.replace(/^# /, ''),
    text: rest.join('\n').replace('<!-- map -->', map.join('\n')),
  };
}
