// The command reference: what the commands say of themselves.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './repository.mjs';

const PROGRAM = join(ROOT, 'packages', 'pipeline', 'bin', 'samtrack.mjs');

async function help(...words) {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, ...words, '--help']);
  return stdout.trimEnd();
}

/** Names of the commands that a help lists, such as `  track      tracks ...`. */
const listed = (text) => {
  const lines = text.slice(text.indexOf('Commands:')).split('\n').slice(1);
  return lines
    .slice(0, lines.indexOf(''))
    .map((line) => /^ {2}(\S+)\s+(.*)$/.exec(line))
    .filter(Boolean);
};

const block = (text) => `\`\`\`text\n${text}\n\`\`\`\n`;

/** @returns one page that lists the commands, and one for each of them */
export async function commandPages() {
  const overview = await help();
  const commands = listed(overview).map(([, name, summary]) => ({ name, summary }));
  const pages = await Promise.all(
    commands.map(async ({ name, summary }) => ({
      path: `commands/${name}.md`,
      title: `samtrack ${name}`,
      text: `${summary[0].toUpperCase()}${summary.slice(1)}.\n\n${block(await help(name))}`,
    })),
  );
  const rows = commands.map(({ name, summary }) => `| [\`samtrack ${name}\`](commands/${name}.md) | ${summary} |`);
  const text = [
    'The program `samtrack` comes with the package of the same name: `npx samtrack COMMAND`. These pages are the `--help` of each command.',
    '',
    '| command | what it does |',
    '| --- | --- |',
    ...rows,
    '',
    'The exit status is 0 when all is done, 1 after a failure, 2 for wrong usage, and 130 after Ctrl-C, which keeps what is done.',
    '',
  ].join('\n');
  return { path: 'commands.md', title: 'Command reference', text, children: pages };
}
