// Builds the browser app, serves it on this machine and opens it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildApp } from '../packages/app/build.mjs';
import { serveFolder } from '../packages/app/serve.mjs';

const HELP = `Usage: npm run app [-- options]

Builds the browser app, serves it on this machine and opens it. Ctrl-C ends it.

  --port N      where it is served; default 8317 (or PORT), another one if that is taken
  --no-open     leaves the browser alone (or NO_OPEN=1)
  -h, --help    print this
`;

const options = {
  port: { type: 'string', default: process.env.PORT ?? '8317' },
  'no-open': { type: 'boolean', default: Boolean(process.env.NO_OPEN) },
  help: { type: 'boolean', short: 'h' },
};
/** The options that were given; ends the program where they are none. */
function given() {
  try {
    const { values } = parseArgs({ options });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`--port ${values.port} is no port`);
    return { ...values, port };
  } catch (error) {
    console.error(`npm run app: ${error.message}`);
    process.exit(2);
  }
}
const { port, help, 'no-open': leavesBrowser } = given();
if (help) {
  process.stdout.write(HELP);
  process.exit(0);
}

const folder = join('packages', 'app', 'dist');
await buildApp(folder);
const { origin } = await serveFolder(folder, port).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  return serveFolder(folder);
});
console.log(`SAMTrack is at ${origin} (Ctrl-C ends it). The folder ${folder} can be served by any web server.`);

if (!leavesBrowser) {
  const [command, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform] ?? ['xdg-open'];
  // Without a desktop there is nothing to open it with; the address is above.
  spawn(command, [...args, origin], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
