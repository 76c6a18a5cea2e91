// Makes a fresh machine ready: dependencies, a Vulkan driver that Dawn can use, and the bundles. Changes nothing that is
// there already, so it is cheap to run again. Plain Node, no dependencies of its own.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const PNPM = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager;
const BACKPORTS = '/etc/apt/sources.list.d/bookworm-backports.sources';

// Dawn on Mesa wants a runtime directory; sessions without a desktop have none.
process.env.XDG_RUNTIME_DIR ??= mkdtempSync(join(tmpdir(), 'samtrack-runtime-'));
process.env.TURBO_TELEMETRY_DISABLED = '1';
process.env.PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`;

const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Runs a command, its output shown only if it fails. */
function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (error || status !== 0) {
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
    throw new Error(`${command} ${args.join(' ')} failed${error ? `: ${error.message}` : ` with status ${status}`}`);
  }
  return stdout;
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new Error(`Node 20.19 or newer is needed, this is ${process.versions.node}.`);
  }
}

/** Installs the locked dependencies, unless the lock file has not changed since the last time. */
function installDependencies() {
  const lock = join(root, 'pnpm-lock.yaml');
  const installed = join(root, 'node_modules', '.modules.yaml');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing dependencies');
  run('npx', ['--yes', PNPM, 'install', '--frozen-lockfile', '--prefer-offline']);
  // pnpm leaves the marker's time alone when there was nothing to do.
  execFileSync('touch', [installed]);
}

/** The adapter that Dawn finds, as a line of text; undefined if there is none. */
function findAdapter() {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts', 'probe-adapter.mjs')], {
    cwd: join(root, 'packages', 'kernels'),
    encoding: 'utf8',
    timeout: 120_000,
  });
  return status === 0 ? stdout.trim() : undefined;
}

/** Commands that install a software Vulkan driver new enough for Dawn (Mesa 24), or undefined where we do not know any. */
function driverCommands() {
  if (process.platform !== 'linux' || !existsSync('/etc/os-release')) return undefined;
  const release = Object.fromEntries(
    readFileSync('/etc/os-release', 'utf8')
      .split('\n')
      .filter((line) => line.includes('='))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).replace(/"/g, '')]),
  );
  const family = `${release.ID} ${release.ID_LIKE ?? ''}`;
  if (/debian|ubuntu/.test(family)) {
    const backports = release.VERSION_CODENAME === 'bookworm';
    return {
      prepare: backports ? addBackports : undefined,
      lines: [
        ...(backports
          ? [
              `printf '%s\\n' ${backportsSource()
                .trim()
                .split('\n')
                .map((l) => `'${l}'`)
                .join(' ')} > ${BACKPORTS}`,
            ]
          : []),
        'apt-get update',
        `apt-get install -y --no-install-recommends${backports ? ' -t bookworm-backports' : ''} mesa-vulkan-drivers libvulkan1`,
      ],
    };
  }
  if (/fedora|rhel/.test(family)) return { lines: ['dnf install -y mesa-vulkan-drivers vulkan-loader'] };
  if (/arch/.test(family)) return { lines: ['pacman -S --noconfirm vulkan-swrast vulkan-icd-loader'] };
  if (/alpine/.test(family)) return { lines: ['apk add mesa-vulkan-swrast vulkan-loader'] };
  return undefined;
}

/** The backports suite from where this machine gets Debian itself. */
function backportsSource() {
  let mirror = 'http://deb.debian.org/debian';
  for (const file of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']) {
    if (!existsSync(file)) continue;
    const found = /^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+\/debian)\/?\s*/m.exec(readFileSync(file, 'utf8'));
    if (found) {
      mirror = found[1];
      break;
    }
  }
  return `Types: deb\nURIs: ${mirror}\nSuites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`;
}

function addBackports() {
  mkdirSync(dirname(BACKPORTS), { recursive: true });
  if (!existsSync(BACKPORTS)) writeFileSync(BACKPORTS, backportsSource());
}

/** Finds a usable GPU; without one installs a software driver, or says how to. */
function ensureAdapter() {
  const adapter = findAdapter();
  if (adapter) {
    say(`adapter: ${adapter}`);
    return;
  }
  const commands = driverCommands();
  if (!commands)
    throw new Error('No WebGPU adapter was found. Install a Vulkan driver (Mesa 24 or newer has a software one).');
  if (process.getuid?.() !== 0) {
    const lines = commands.lines.map((line) => `  sudo sh -c "${line}"`).join('\n');
    throw new Error(`No WebGPU adapter was found. As root, install the software driver and try again:\n${lines}`);
  }
  say('no GPU driver found; installing the software driver (Mesa)');
  commands.prepare?.();
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const line of commands.lines.slice(commands.prepare ? 1 : 0)) run('sh', ['-c', line], { env });
  const installed = findAdapter();
  if (!installed) throw new Error('The software driver is installed, but Dawn still finds no adapter.');
  say(`adapter: ${installed}`);
}

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Tests of pages need Chromium or Chrome; without one, and where it cannot be installed, they are skipped and say so. */
function ensureBrowser() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  if (existsSync(mac) || BROWSERS.some((name) => folders.some((folder) => existsSync(join(folder, name))))) return;
  const debian = existsSync('/etc/debian_version') && !/ubuntu/i.test(readFileSync('/etc/os-release', 'utf8'));
  if (!debian || process.getuid?.() !== 0) {
    say('no Chromium or Chrome found: tests of pages are skipped (Debian: sudo apt-get install chromium)');
    return;
  }
  say('no Chromium found; installing it for the tests of pages');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    for (const line of ['apt-get update', 'apt-get install -y --no-install-recommends chromium'])
      run('sh', ['-c', line], { env });
  } catch {
    say('Chromium could not be installed: tests of pages are skipped');
  }
}

function bundle() {
  say('bundling');
  run('turbo', ['run', 'bundle', '--output-logs=errors-only']);
}

/** @param {{ browser?: boolean }} [options] browser: also a Chromium, for tests */
export function setUp({ browser = false } = {}) {
  checkNode();
  installDependencies();
  ensureAdapter();
  if (browser) ensureBrowser();
  bundle();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    setUp({ browser: process.argv.includes('--browser') });
  } catch (error) {
    say(error.message);
    process.exit(1);
  }
}
