// Builds the browser app, serves it on this machine and opens it. PORT chooses the port, NO_OPEN=1 leaves the browser alone.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buildApp } from '../packages/app/build.mjs';
import { serveFolder } from '../packages/app/serve.mjs';

const folder = join('packages', 'app', 'dist');
await buildApp(folder);
const { origin } = await serveFolder(folder, Number(process.env.PORT ?? 8317)).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  return serveFolder(folder);
});
console.log(`SAMTrack is at ${origin} (Ctrl-C ends it). The folder ${folder} can be served by any web server.`);

if (!process.env.NO_OPEN) {
  const [command, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform] ?? ['xdg-open'];
  // Without a desktop there is nothing to open it with; the address is above.
  spawn(command, [...args, origin], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref();
}
