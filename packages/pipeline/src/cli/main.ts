import { readFileSync } from 'node:fs';
import { type Command, isExpected, UsageError } from './command.js';
import { devicesCommand } from './devices.js';
import { trackCommand } from './track.js';
import { verifyCommand } from './verify.js';
import { weightsCommand } from './weights.js';

const COMMANDS: readonly Command[] = [trackCommand, verifyCommand, devicesCommand, weightsCommand];

const HELP = `Usage: samtrack <command> [options]

Segment and track anything in a video, on WebGPU.

Commands:
${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(9)} ${summary}`).join('\n')}

  -h, --help      help, also of each command
  -v, --version   print the version
`;

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return manifest.version as string;
}

async function main([name, ...argv]: string[]): Promise<number> {
  if (name === undefined || name === '-h' || name === '--help' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? 2 : 0;
  }
  if (name === '-v' || name === '--version') {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    process.stderr.write(`samtrack: there is no command "${name}"\n\n${HELP}`);
    return 2;
  }
  try {
    return await command.run(argv);
  } catch (error) {
    // parseArgs reports wrong options as a TypeError with a code.
    const wrongOption = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    if (error instanceof UsageError || wrongOption) {
      process.stderr.write(`samtrack ${name}: ${(error as Error).message}\nTry: samtrack ${name} --help\n`);
      return 2;
    }
    if (!isExpected(error)) throw error;
    process.stderr.write(`samtrack ${name}: ${error.message}\n`);
    return 1;
  }
}

const status = await main(process.argv.slice(2));
// Dawn's worker threads would keep the process alive.
process.stdout.write('', () => process.exit(status));
