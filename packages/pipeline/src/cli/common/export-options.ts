/** The options of commands that write results in several formats. */
import { EXPORT_FORMATS, type ExportFormat } from '../../export/index.js';
import { UsageError } from '../command.js';

const FORMATS = Object.keys(EXPORT_FORMATS) as ExportFormat[];

/** One line a format. */
export const FORMATS_HELP = FORMATS.map((name) => {
  const { path, what } = EXPORT_FORMATS[name];
  return `    ${name.padEnd(12)} ${path.padEnd(17)} ${what}\n`;
}).join('');

/** @throws UsageError */
export function exportFormats(lists: readonly string[] = []): ExportFormat[] {
  const names = lists.flatMap((list) => list.split(',')).map((name) => name.trim());
  const unknown = names.find((name) => !FORMATS.includes(name as ExportFormat));
  if (unknown !== undefined) throw new UsageError(`--format is one of ${FORMATS.join(', ')}, not "${unknown}"`);
  return [...new Set(names)] as ExportFormat[];
}
