import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { OnnxGraph } from '../src/graph/graph.js';
import { loadRuntime } from '../src/session/node/index.js';

/** Runs a graph in a process of its own, whose user has an empty home. @returns what is in the home then */
function homeAfterRun(environment: NodeJS.ProcessEnv): string[] {
  const graph = new OnnxGraph();
  graph.output(graph.node('Identity', [graph.input('x', [1])]), [1]);
  const model = Buffer.from(graph.finish().model).toString('base64');
  const program = `
    const ort = require('onnxruntime-node');
    ort.InferenceSession.create(Buffer.from('${model}', 'base64')).then((session) => session.release());`;
  const home = mkdtempSync(join(tmpdir(), 'samtrack-home-'));
  try {
    const cwd = fileURLToPath(new URL('..', import.meta.url));
    const env = { PATH: process.env['PATH'], HOME: home, XDG_CACHE_HOME: join(home, '.cache'), ...environment };
    execFileSync(process.execPath, ['-e', program], { cwd, env, stdio: 'pipe' });
    return readdirSync(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

it('ONNX Runtime is told to write nothing down about its user', async () => {
  await loadRuntime({ threads: 1 });
  const { ORT_DISABLE_TELEMETRY } = process.env;
  expect(ORT_DISABLE_TELEMETRY).toBe('1');
  expect(homeAfterRun({ ORT_DISABLE_TELEMETRY })).toEqual([]);
});
