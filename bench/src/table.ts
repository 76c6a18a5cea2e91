/** A column of a terminal table. */
export interface Column {
  readonly title: string;
  /** Numbers stand right; `left` by default. */
  readonly align?: 'left' | 'right';
}

/** Text with every column as wide as its widest cell; a missing cell is a dash. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly (string | undefined)[])[]): string {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '-').length)));
  const line = (cells: readonly (string | undefined)[]) =>
    columns
      .map(({ align }, i) => {
        const cell = cells[i] ?? '-';
        return align === 'right' ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join('\n');
}

/** Three significant digits at least: 0.0123, 4.56, 78.9, 1234. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}
