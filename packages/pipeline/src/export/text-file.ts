import type { OutputFile } from '../io/output-folder.js';

const FLUSH_LENGTH = 1 << 16;

/** A text file that is written piece by piece. */
export class TextFile {
  private readonly encoder = new TextEncoder();
  private buffer = '';
  private position = 0;

  constructor(private readonly file: OutputFile) {}

  async write(text: string): Promise<void> {
    this.buffer += text;
    if (this.buffer.length >= FLUSH_LENGTH) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.file.commit();
  }

  async discard(): Promise<void> {
    await this.file.discard();
  }

  private async flush(): Promise<void> {
    const bytes = this.encoder.encode(this.buffer);
    this.buffer = '';
    await this.file.write(bytes, this.position);
    this.position += bytes.length;
  }
}
