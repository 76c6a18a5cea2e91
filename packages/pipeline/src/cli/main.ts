import { isOutOfFiles, outOfFiles } from '../io/node/out-of-files.js';
import { type Command, isExpected, UsageError } from './command.js';
import { version } from './common/version.js';
import { detectCommand } from './detect/index.js';
import { devicesCommand } from './devices/index.js';
import { evalCommand } from './eval/index.js';
import { exportCommand } from './export/index.js';
import { nearest } from './nearest.js';
import { OPTIONAL_COMMANDS, optionalCommands } from './optional.js';
import { reproduceCommand } from './reproduce/index.js';
import { segmentCommand } from './segment/index.js';
import { trackCommand } from './track/index.js';
import { tuneCommand } from './tune/index.js';
import { verifyCommand } from './verify/index.js';
import { weightsCommand } from './weights/index.js';

const COMMANDS: readonly Command[] = [
  trackCommand,
  segmentCommand,
  detectCommand,
  exportCommand,
  evalCommand,
  reproduceCommand,
  verifyCommand,
  devicesCommand,
  tuneCommand,
  weightsCommand,
];

const HELP = `Usage: samtrack <command> [options]

Segment and track anything in a video, on WebGPU.

Commands:
${[...COMMANDS, ...OPTIONAL_COMMANDS].map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

  -h, --help      help, also of each command
  -v, --version   print the version
`;

/** Who reads what is printed may stop reading (`| head`, a closed terminal): the work goes on. */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (!stream.listeners('error').includes(ignoreClosed)) stream.on('error', ignoreClosed);
  }
}

function ignoreClosed(error: NodeJS.ErrnoException): void {
  if (!['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED'].includes(error.code ?? '')) throw error;
}

/**
 * The `samtrack` program.
 * @param argv Those after the program's name.
 * @returns The exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP).
 */
export async function main([name, ...argv]: readonly string[]): Promise<number> {
  outliveReaders();
  if (name === undefined || name === '-h' || name === '--help' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  if (name === '-v' || name === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const optional = OPTIONAL_COMMANDS.find((candidate) => candidate.name === name);
  const builtIn = COMMANDS.find((candidate) => candidate.name === name);
  if (!builtIn && !optional) {
    const meant = nearest(
      name,
      [...COMMANDS, ...OPTIONAL_COMMANDS].map((command) => command.name),
    );
    process.stderr.write(`samtrack: there is no command "${name}"${meant ? `; ${meant} is near it` : ''}\n\n${HELP}`);
    return 2;
  }
  try {
    const command =
      builtIn ??
      (
        await optionalCommands<{ readonly commands: readonly Command[] }>(optional!.package, `samtrack ${name}`)
      ).commands.find((candidate) => candidate.name === name)!;
    return await command.run(argv);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`samtrack ${name}: ${error.message}\nTry: samtrack ${name} --help\n`);
      return 2;
    }
    const shown = isOutOfFiles(error) ? outOfFiles('samtrack', error) : error;
    if (!isExpected(shown)) throw shown;
    process.stderr.write(`samtrack ${name}: ${shown.message}\n`);
    return 1;
  }
}
