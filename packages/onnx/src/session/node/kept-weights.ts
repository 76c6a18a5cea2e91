import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OnnxEngineError } from '../../error.js';
import { externalConstants } from '../../graph/external-constants.js';
import type { ConstantData } from '../../tensors.js';
import type { Weight } from '../session.js';

/** Tells where each weight's values are: `[file, offset]` by its name. */
const INDEX = 'sources.json';
/** Values of weights that are not in the compiled graph as they came, one after the other. */
const REST = 'sources.weights';

type Index = Record<string, readonly [file: string, offset: number]>;

/**
 * Writes down where the values of a compiled graph's weights are, so that nobody need keep them in memory: mostly where ONNX Runtime
 * put them itself; those that it arranged anew are added.
 * @param graph The compiled graph, and the file of its constants, both of the folder.
 */
export async function indexWeights(
  folder: string,
  graph: string,
  constants: string,
  weights: readonly Weight[],
): Promise<void> {
  const known = externalConstants(await readFile(join(folder, graph)));
  const index: Index = {};
  const places = new Map<ConstantData, Index[string]>();
  // Small ones are in the graph itself.
  const compiled = known.size > 0 ? await open(join(folder, constants)) : undefined;
  const rest = await open(join(folder, REST), 'w');
  let end = 0;
  try {
    for (const { name, source } of weights) {
      let place = places.get(source);
      if (!place) {
        const { buffer, byteOffset, byteLength } = source.values;
        const bytes = Buffer.from(buffer, byteOffset, byteLength);
        const there = known.get(name);
        if (compiled && there?.length === byteLength) {
          const { buffer: found } = await compiled.read(Buffer.allocUnsafe(byteLength), 0, byteLength, there.offset);
          if (found.equals(bytes)) place = [constants, there.offset];
        }
        if (!place) {
          place = [REST, end];
          // All of it, or an error: a single `write` stops where the disk is full.
          await rest.appendFile(bytes);
          end += byteLength;
        }
        places.set(source, place);
      }
      index[name] = place;
    }
  } finally {
    await compiled?.close();
    await rest.close();
  }
  await writeFile(join(folder, INDEX), JSON.stringify(index));
}

/** Makes the files of a compiled graph what keeps the values of its weights, which leave the memory. */
export async function keepWeights(folder: string, weights: readonly Weight[]): Promise<void> {
  const index = JSON.parse(await readFile(join(folder, INDEX), 'utf8')) as Index;
  const files = new Map<string, OpenFile>();
  for (const { name, source } of weights) {
    const place = index[name];
    if (!place || !source.inMemory) continue;
    const [file, offset] = place;
    let from = files.get(file);
    if (!from) files.set(file, (from = new OpenFile(join(folder, file))));
    const opened = from;
    source.keepElsewhere(() => opened.read(offset, source.byteLength));
  }
}

/** Closes files that nobody reads any more: whoever owns weights does not know where they are. */
const unused = new FinalizationRegistry<number>(closeSync);

/** Stays open, so that it can be read even when it was removed since; not when it was written to. */
class OpenFile {
  readonly #descriptor: number;
  readonly #opened: Stats;

  constructor(private readonly path: string) {
    this.#descriptor = openSync(path, 'r');
    unused.register(this, this.#descriptor);
    this.#opened = fstatSync(this.#descriptor);
  }

  /** @throws OnnxEngineError `failed` for a file that is another than it was */
  read(offset: number, length: number): ArrayBuffer {
    const { size, mtimeMs } = fstatSync(this.#descriptor);
    if (size !== this.#opened.size || mtimeMs !== this.#opened.mtimeMs) {
      throw new OnnxEngineError('failed', `${this.path} was changed while the weights that it keeps were in use.`);
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#descriptor, bytes, done, length - done, offset + done);
      if (count === 0) throw new OnnxEngineError('failed', `${this.path} ends at byte ${offset + done}.`);
      done += count;
    }
    return bytes.buffer;
  }
}
