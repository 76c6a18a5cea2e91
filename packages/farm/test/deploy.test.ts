/** The examples of deployment: what they name is there, and each command that they give is one. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from 'samtrack/cli';
import { describe, expect, it, vi } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const read = (name: string) => readFileSync(join(ROOT, 'packages/farm/deploy', name), 'utf8');

/** Whether `samtrack` knows a command with these options: it looks at all of them before it prints its help. */
async function expectCommand(argv: readonly string[]): Promise<void> {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const complain = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const status = await main([...argv, '--help']);
    expect({ argv, status, said: complain.mock.calls.join('') }).toEqual({ argv, status: 0, said: '' });
    expect(write.mock.calls.join('')).toMatch(`Usage: samtrack ${argv[0]}`);
  } finally {
    write.mockRestore();
    complain.mockRestore();
  }
}

const REDIS = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];

describe('deployment', () => {
  it('the commands of the test below are looked at', async () => {
    await expect(expectCommand(['worker', '--no-such-option'])).rejects.toThrow();
  });

  it('compose: Redis that forgets nothing, two workers, and a command line', async () => {
    const text = read('compose.yaml');
    const { services, volumes } = parse(text, { merge: true });
    expect(Object.keys(services)).toEqual(['redis', 'worker-1', 'worker-2', 'cli']);
    const { redis, cli, ...workers } = services;
    expect(redis.command).toEqual(['redis-server', ...REDIS]);
    for (const { command, environment, build, depends_on, volumes: mounts } of Object.values<typeof cli>(workers)) {
      await expectCommand(command);
      expect(environment).toEqual({ SAMTRACK_REDIS: 'redis://redis:6379', SAMTRACK_STORAGE: '/results' });
      expect(existsSync(join(ROOT, 'packages/farm/deploy', build.context, build.dockerfile))).toBe(true);
      expect(depends_on.redis.condition).toBe('service_healthy');
      expect(mounts).toContain('results:/results');
    }
    expect(Object.keys(volumes)).toEqual(['queue', 'results']);
    const lines = [...text.matchAll(/^#.* run --rm cli (.+)$/gm)].map(([, line]) =>
      line!.replaceAll("'", '').split(' '),
    );
    expect(lines).toHaveLength(2);
    for (const line of lines) await expectCommand(line);
  });

  it('Kubernetes: one pod a GPU', async () => {
    const documents = parseAllDocuments(read('kubernetes.yaml')).map((document) => document.toJS());
    expect(documents.map(({ kind }) => kind)).toEqual(['Service', 'StatefulSet', 'Deployment']);
    const [service, redis, worker] = documents;
    expect(redis.spec.template.spec.containers[0].args).toEqual(REDIS);
    const { containers, terminationGracePeriodSeconds } = worker.spec.template.spec;
    const [{ args, env, resources, ports }] = containers;
    await expectCommand(args);
    expect(resources.limits).toEqual({ 'nvidia.com/gpu': 1 });
    expect(env[0]).toEqual({ name: 'SAMTRACK_REDIS', value: `redis://${service.metadata.name}:6379` });
    expect(args).toContain(`0.0.0.0:${ports[0].containerPort}`);
    // Longer than a frame, its chunk and the way back into the queue.
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(60);
    for (const { spec } of [redis, worker]) expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
  });

  it('Dockerfile: what it starts is there, and its command is one', async () => {
    const text = read('Dockerfile');
    const entry = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(text)![1]!) as string[];
    expect(entry[0]).toBe('node');
    expect(existsSync(join(ROOT, entry[1]!.replace('/samtrack/', '')))).toBe(true);
    await expectCommand(JSON.parse(/^CMD (.+)$/m.exec(text)![1]!));
    // Turbo looks for pnpm in the path, where the image has none.
    expect(text).toContain('PATH="$PWD/node_modules/.bin:$PATH" turbo run bundle');
    for (const name of ['pnpm', 'turbo']) expect(existsSync(join(ROOT, 'node_modules/.bin', name))).toBe(true);
    const { engines, packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(packageManager).toMatch(/^pnpm@/);
    const [, major] = /^FROM node:(\d+)-/m.exec(text)!;
    expect(Number(major)).toBeGreaterThanOrEqual(Number(/\d+/.exec(engines.node)![0]));
    for (const name of ['Dockerfile', 'compose.yaml']) expect(text + read('compose.yaml')).toContain(basename(name));
  });
});
