// Packs the published packages, checks the tarballs as their users get them, and publishes them where it is told to.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findFaults, publishingOrder } from './release-plan.mjs';

const HELP = `npm run release -- [--quick] [--publish]

Packs the packages into release/, runs the checks of consumers/ on these very tarballs, and shows what would be published.

  --quick     only the checks that are part of npm test
  --publish   publishes to the registry that npm is logged in to; what is there already is passed over. Not with --quick
`;

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const RELEASE = join(ROOT, 'release');

const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26, ...options });

function fail(message) {
  console.error(`release: ${message}`);
  process.exit(1);
}

function readOptions() {
  const options = { help: { type: 'boolean' }, quick: { type: 'boolean' }, publish: { type: 'boolean' } };
  try {
    const { values } = parseArgs({ options });
    if (values.quick && values.publish) fail('--publish wants all checks, so not --quick');
    return values;
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`);
  }
}

/** The tarballs in `release/`, with the manifests in them. */
const readTarballs = () =>
  readdirSync(RELEASE)
    .filter((file) => file.endsWith('.tgz'))
    .map((file) => {
      const path = join(RELEASE, file);
      const inside = run('tar', ['tzf', path]).trim().split('\n');
      const changelog = inside.includes('package/CHANGELOG.md')
        ? run('tar', ['xzOf', path, 'package/CHANGELOG.md'])
        : '';
      return {
        path,
        file,
        manifest: JSON.parse(run('tar', ['xzOf', path, 'package/package.json'])),
        changelog,
        files: inside.length,
        bytes: statSync(path).size,
        integrity: `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`,
      };
    });

const isPublished = ({ name, version }) =>
  spawnSync('npm', ['view', `${name}@${version}`, 'version'], { encoding: 'utf8' }).stdout.trim() === version;

const { help, quick, publish } = readOptions();
if (help) {
  console.log(HELP);
  process.exit(0);
}

const changes = existsSync(join(ROOT, '.git')) ? run('git', ['status', '--porcelain']).trim() : '';
const pending = readdirSync(join(ROOT, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md');

rmSync(RELEASE, { recursive: true, force: true });
mkdirSync(RELEASE);
const { status } = spawnSync(join(ROOT, 'node_modules', '.bin', 'vitest'), ['run', '--project', 'consumers'], {
  cwd: ROOT,
  stdio: 'inherit',
  env: { ...process.env, SAMTRACK_RELEASE: RELEASE, ...(!quick && { SAMTRACK_CONSUMERS: 'all' }) },
});
if (status !== 0) fail('the checks of the packed packages failed; nothing was published');

const tarballs = publishingOrder(readTarballs());
console.log('\nin release/, in the order of publishing:\n');
for (const { file, files, bytes, integrity } of tarballs) {
  console.log(`  ${file}  ${files} files, ${(bytes / 1e6).toFixed(1)} MB\n    ${integrity}`);
}

const faults = findFaults({ tarballs, pending, changes });
if (faults.length > 0) {
  console.log(`\nbefore they can be published:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
}
if (!publish) {
  console.log('\nnothing was published; --publish does');
} else {
  if (faults.length > 0) fail('not published');
  for (const { path, manifest } of tarballs) {
    const name = `${manifest.name}@${manifest.version}`;
    if (isPublished(manifest)) {
      console.log(`${name} is there already`);
      continue;
    }
    const published = spawnSync('npm', ['publish', path, '--access', 'public'], { cwd: ROOT, stdio: 'inherit' });
    if (published.status !== 0)
      fail(`${name} was not published; those before it were, and another run goes on from here`);
  }
}
