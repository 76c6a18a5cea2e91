import { adapterName } from './adapter.js';
import type { BenchmarkResult } from './contest.js';
import type { Curve } from './curve.js';
import type { BenchReport } from './report.js';
import { OUR_COLOUR, shownRunners } from './shown-runners.js';
import { formatNumber } from './table.js';

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
svg { display: block; margin: 1rem 0; } svg text { font: 12px system-ui, sans-serif; fill: #222; }
figure { margin: 2rem 0; } figcaption { color: #555; } dt { font-weight: 600; } dd { margin: 0 0 .4rem; }
`;

/** A page of its own, without scripts, with the numbers of a report as tables and plots. */
export function renderHtml(report: BenchReport): string {
  const name = adapterName(report.adapter);
  const sections = [
    section('Models', report.models, 'A frame or an image, wall time.'),
    section('Kernels', report.kernels, 'One operation at a size that models use, wall time.'),
    curveSection(report.curves ?? []),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SAMTrack benchmark, ${escapeHtml(name)}</title>
<style>${STYLE}</style>
<h1>SAMTrack benchmark</h1>
<dl>
${facts(report)
  .map(([term, value]) => `<dt>${escapeHtml(term)}</dt><dd>${escapeHtml(value)}</dd>`)
  .join('\n')}
</dl>
${sections.filter(Boolean).join('\n')}
${report.notes.map((note) => `<p>Note: ${escapeHtml(note)}</p>`).join('\n')}
</html>
`;
}

function facts({
  adapter,
  machine,
  versions,
  commit,
  modified,
  date,
  ceilings,
  quick,
}: BenchReport): [string, string][] {
  const list = (record: Readonly<Record<string, unknown>>) =>
    Object.entries(record)
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([key, value]) => `${key} ${typeof value === 'number' ? Number(value.toFixed(2)) : value}`)
      .join(', ');
  return [
    ['Adapter', list(adapter)],
    ['Machine', list(machine)],
    ['Versions', list(versions)],
    ['Commit', `${commit ?? 'unknown'}${modified ? ', modified' : ''}`],
    ['Date', `${date}${quick ? ', a quick run' : ''}`],
    ...(ceilings
      ? ([
          [
            'Ceilings',
            `${formatNumber(ceilings.gemmGflops)} GFLOP/s in our GEMM, ${formatNumber(ceilings.copyGBps)} GB/s in copies`,
          ],
        ] as [string, string][])
      : []),
  ];
}

function section(title: string, results: readonly BenchmarkResult[], caption: string): string {
  if (results.length === 0) return '';
  const shown = shownRunners(results);
  const others = shown.others.filter(({ name }) => results.some((r) => r.runners[name]));
  const runners = [shown.ours, ...others.map(({ name }) => name)];
  const rows = results.map(({ name, runners: times, ratios, firstMs }) => {
    const cells = runners.map((runner) => {
      const wall = times[runner]?.wall;
      if (!wall) return '<td>-</td>';
      const ratio = ratios[runner] === undefined ? '' : ` (${formatNumber(ratios[runner])}x)`;
      const first = firstMs[runner] === undefined ? '' : `, first result ${formatNumber(firstMs[runner])} ms`;
      return `<td title="spread ${Math.round(wall.spread * 100)} %${first}">${formatNumber(wall.median)}${ratio}</td>`;
    });
    return `<tr><td>${escapeHtml(name)}</td>${cells.join('')}</tr>`;
  });
  return `<h2>${title}</h2>
<figure>${bars(results, others)}<figcaption>${caption} Ours is 1; a bar of 3 takes three times as long.</figcaption></figure>
<table><tr><th>ms (theirs / ours)</th>${runners.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr>
${rows.join('\n')}</table>`;
}

/** Ratios as horizontal bars, a group for each benchmark. */
function bars(results: readonly BenchmarkResult[], others: ReturnType<typeof shownRunners>['others']): string {
  const [left, width, row] = [260, 560, 16];
  const greatest = Math.max(1, ...results.flatMap(({ ratios }) => others.map(({ name }) => ratios[name] ?? 0)));
  const scale = width / greatest;
  let y = 24;
  const parts: string[] = others.map(
    ({ name, colour }, i) =>
      `<rect x="${left + i * 200}" y="2" width="12" height="12" fill="${colour}"/><text x="${left + 18 + i * 200}" y="13">${escapeHtml(name)}</text>`,
  );
  const top = y;
  for (const { name, ratios } of results) {
    parts.push(`<text x="${left - 8}" y="${y + 12}" text-anchor="end">${escapeHtml(name)}</text>`);
    for (const { name: runner, colour } of others) {
      const ratio = ratios[runner];
      if (ratio === undefined) continue;
      const length = ratio * scale;
      parts.push(
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${row - 3}" fill="${colour}"/>`,
        `<text x="${(left + length + 4).toFixed(1)}" y="${y + 11}">${formatNumber(ratio)}x</text>`,
      );
      y += row;
    }
    y += 8;
  }
  const one = (left + scale).toFixed(1);
  parts.push(`<line x1="${one}" y1="${top}" x2="${one}" y2="${y}" stroke="${OUR_COLOUR}" stroke-width="2"/>`);
  return `<svg width="${left + width + 70}" height="${y + 4}" role="img">${parts.join('')}</svg>`;
}

function curveSection(curves: readonly Curve[]): string {
  if (curves.length === 0) return '';
  const figures = curves.map(
    (curve) =>
      `<figure>${plot(curve)}<figcaption>${escapeHtml(curve.model)}: milliseconds a frame over ${escapeHtml(curve.unit)}; ` +
      `medians, with quartile distance.</figcaption></figure>`,
  );
  return `<h2>How the cost grows</h2>\n${figures.join('\n')}`;
}

/** A line through the medians, with the spread as vertical strokes. Both axes begin at zero. */
function plot({ points }: Curve): string {
  const [left, top, width, height] = [60, 12, 520, 220];
  const maxX = Math.max(...points.map(({ x }) => x));
  const maxY = 1.1 * Math.max(...points.map(({ wall }) => wall.median * (1 + wall.spread / 2)));
  const px = (x: number) => (left + (x / maxX) * width).toFixed(1);
  const py = (y: number) => (top + height - (y / maxY) * height).toFixed(1);
  const line = points.map(({ x, wall }) => `${px(x)},${py(wall.median)}`).join(' ');
  const marks = points.map(({ x, wall }) => {
    const half = (wall.median * wall.spread) / 2;
    return (
      `<line x1="${px(x)}" x2="${px(x)}" y1="${py(wall.median - half)}" y2="${py(wall.median + half)}" stroke="#888"/>` +
      `<circle cx="${px(x)}" cy="${py(wall.median)}" r="4" fill="${OUR_COLOUR}"/>` +
      `<text x="${px(x)}" y="${Number(py(wall.median)) - 9}" text-anchor="middle">${formatNumber(wall.median)}</text>` +
      `<text x="${px(x)}" y="${top + height + 18}" text-anchor="middle">${x}</text>`
    );
  });
  return (
    `<svg width="${left + width + 40}" height="${top + height + 30}" role="img">` +
    `<path d="M${left} ${top}V${top + height}H${left + width}" fill="none" stroke="#888"/>` +
    `<polyline points="${line}" fill="none" stroke="${OUR_COLOUR}" stroke-width="2"/>${marks.join('')}</svg>`
  );
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
