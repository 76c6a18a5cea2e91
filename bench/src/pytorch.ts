import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A benchmark's network in PyTorch, not exported, on the CPU: `bench/onnx` runs it in a process of its own. */
export class PyTorch {
  private constructor(
    private readonly process: ChildProcessWithoutNullStreams,
    private readonly lines: AsyncIterator<string>,
    private readonly reader: Interface,
  ) {}

  /**
   * Resolves when it has run once.
   * @param python A Python that has what `bench/onnx` needs.
   * @param benchmark `deaot-t@480x854`
   */
  static async start(python: string, benchmark: string): Promise<PyTorch> {
    const [model, size] = benchmark.split('@') as [string, string];
    const cwd = fileURLToPath(new URL('../onnx', import.meta.url));
    const process = spawn(python, ['-m', 'samtrack_onnx.eager', '--model', model, '--size', size], { cwd });
    let said = '';
    process.stderr.on('data', (text) => {
      said += text;
    });
    const reader = createInterface(process.stdout);
    const lines = reader[Symbol.asyncIterator]();
    const failed = new Promise<never>((_, reject) => {
      process.once('error', reject);
      process.once('exit', (status) =>
        reject(new Error(`PyTorch ended with ${status}: ${said.trim().split('\n').at(-1)}`)),
      );
    });
    failed.catch(() => {});
    await Promise.race([lines.next(), failed]);
    return new PyTorch(process, lines, reader);
  }

  /** Runs it so many times. */
  async run(count: number): Promise<void> {
    this.process.stdin.write(`${count}\n`);
    const { done } = await this.lines.next();
    if (done) throw new Error('PyTorch ended');
  }

  release(): void {
    this.reader.close();
    this.process.stdin.end();
  }
}
