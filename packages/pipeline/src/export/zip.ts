import { Zip, ZipPassThrough } from 'fflate';
import type { OutputFile } from '../io/output-folder.js';
import { encodeLabelPng } from '../io/palette-png.js';
import type { ExportContext, Exporter } from './exporter.js';

/** A zip archive that is written file by file. Contents are stored as they are: PNGs are compressed already. */
export class ZipWriter {
  private readonly zip: Zip;
  private readonly chunks: Uint8Array[] = [];
  private failure: Error | undefined;
  private position = 0;

  constructor(private readonly file: OutputFile) {
    this.zip = new Zip((error, chunk) => {
      if (error) this.failure ??= error;
      else this.chunks.push(chunk);
    });
  }

  /** Adds a file; it goes out at once. */
  async add(path: string, data: Uint8Array): Promise<void> {
    const entry = new ZipPassThrough(path);
    // The same files make the same archive.
    entry.mtime = new Date(1980, 0, 1);
    this.zip.add(entry);
    entry.push(data, true);
    await this.flush();
  }

  /** Writes what an archive has at its end. The file is not committed. */
  async end(): Promise<void> {
    this.zip.end();
    await this.flush();
  }

  /** Completes the archive. */
  async finish(): Promise<void> {
    await this.end();
    await this.file.commit();
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    await this.file.discard();
  }

  private async flush(): Promise<void> {
    if (this.failure) throw this.failure;
    for (const chunk of this.chunks.splice(0)) {
      await this.file.write(chunk, this.position);
      this.position += chunk.length;
    }
  }
}

/** The label PNGs of all frames in one archive, `masks.zip`. */
export async function openMasksZip({ folder, palette }: ExportContext): Promise<Exporter> {
  const path = 'masks.zip';
  const zip = new ZipWriter(await folder.createFile(path));
  return {
    path,
    warnings: [],
    add: ({ name }, labels) => zip.add(`${name}.png`, encodeLabelPng(labels, { palette }, `${path}/${name}.png`)),
    async finish() {
      await zip.finish();
      return true;
    },
    discard: () => zip.discard(),
  };
}
