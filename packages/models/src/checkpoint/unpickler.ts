/**
 * A restricted pickle machine. It builds plain data and calls only the functions on an explicit list: any other global is refused by name
 * when the opcode that names it is met, before anything could be done with it. No Python code exists here that could run.
 * Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
 */
import { CheckpointError } from './error.js';

/** An immutable sequence; a list is a JavaScript array. */
export class PyTuple {
  constructor(readonly items: readonly PyValue[]) {}
}

/** `dict` and `OrderedDict`, insertion order kept. */
export class PyDict extends Map<PyValue, PyValue> {}

/** An instance of an allowed class that is carried along, never interpreted. */
export class PyInert {
  constructor(
    readonly type: string,
    readonly args: readonly PyValue[],
  ) {}
}

/** An allowed global: a name and what calling it gives. Handlers are pure: they validate their arguments and build a value. */
export class PyGlobal {
  constructor(
    readonly name: string,
    readonly call: (args: readonly PyValue[]) => PyValue,
  ) {}
}

/** Base class of values that handlers make (tensor references, ...). */
export abstract class PyHostValue {
  protected readonly isHostValue = true;
}

export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PyValue[]
  | PyTuple
  | PyDict
  | Set<PyValue>
  | PyInert
  | PyGlobal
  | PyHostValue;

export interface UnpicklerOptions {
  /** For messages. */
  readonly file: string;
  /** Allowed globals by `module.name`. */
  readonly globals: ReadonlyMap<string, PyGlobal>;
  /** What a persistent id stands for; without it persistent ids are refused. */
  readonly persistentLoad?: ((id: PyValue) => PyValue) | undefined;
}

/** The result and where the pickle ended. */
export interface Unpickled {
  readonly value: PyValue;
  /** Offset of the byte after STOP. */
  readonly end: number;
}

/** Longest integer, in bytes: the largest in a checkpoint is the 10-byte magic number of the legacy format. */
const MAX_LONG_BYTES = 64;

/**
 * Runs the pickle that starts at `start`.
 * Work and memory are bounded by the length of the pickle; cyclic data is possible in the result.
 * @throws CheckpointError `forbidden-global`, `truncated`, `corrupt`, `unsupported`, `too-large`
 */
export function unpickle(bytes: Uint8Array, options: UnpicklerOptions, start = 0): Unpickled {
  return new Unpickler(bytes, options, start).run();
}

class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #options: UnpicklerOptions;
  readonly #memo = new Map<number, PyValue>();
  readonly #marks: PyValue[][] = [];
  #stack: PyValue[] = [];
  #position: number;

  constructor(bytes: Uint8Array, options: UnpicklerOptions, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#options = options;
    this.#position = start;
  }

  run(): Unpickled {
    for (;;) {
      const at = this.#position;
      const opcode = this.#bytes[this.#advance(1)]!;
      if (opcode === STOP) return { value: this.#pop(), end: this.#position };
      const value = this.#step(opcode, at);
      if (value !== undefined) this.#stack.push(value);
    }
  }

  /** Does what an opcode says; the value returned, if any, is pushed. */
  #step(opcode: number, at: number): PyValue | undefined {
    switch (opcode) {
      case 0x80: {
        // PROTO
        const protocol = this.#u8();
        if (protocol > 5) throw this.#error('unsupported', `pickle protocol ${protocol}`);
        return undefined;
      }
      case 0x95: // FRAME: a hint about how much to read ahead
        this.#advance(8);
        return undefined;

      // Stack and memo
      case 0x28: // MARK
        this.#marks.push(this.#stack);
        this.#stack = [];
        return undefined;
      case 0x30: // POP
        // As in CPython, POP on an empty segment drops the mark.
        if (this.#stack.length === 0) this.#popMark();
        else this.#stack.pop();
        return undefined;
      case 0x31: // POP_MARK
        this.#popMark();
        return undefined;
      case 0x32: // DUP
        return this.#top();
      case 0x70: // PUT
        this.#remember(this.#decimal());
        return undefined;
      case 0x71: // BINPUT
        this.#remember(this.#u8());
        return undefined;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#u32());
        return undefined;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        return undefined;
      case 0x67: // GET
        return this.#recall(this.#decimal());
      case 0x68: // BINGET
        return this.#recall(this.#u8());
      case 0x6a: // LONG_BINGET
        return this.#recall(this.#u32());

      // Constants and numbers
      case 0x4e: // NONE
        return null;
      case 0x88: // NEWTRUE
        return true;
      case 0x89: // NEWFALSE
        return false;
      case 0x49: {
        // INT
        const text = this.#line();
        return text === '01' ? true : text === '00' ? false : this.#integer(text);
      }
      case 0x4c: // LONG
        return this.#integer(this.#line().replace(/L$/, ''));
      case 0x4a: // BININT
        return this.#view.getInt32(this.#advance(4), true);
      case 0x4b: // BININT1
        return this.#u8();
      case 0x4d: // BININT2
        return this.#view.getUint16(this.#advance(2), true);
      case 0x8a: // LONG1
        return this.#long(this.#u8());
      case 0x8b: // LONG4
        return this.#long(this.#u32());
      case 0x46: // FLOAT
        return Number(this.#line());
      case 0x47: // BINFLOAT
        return this.#view.getFloat64(this.#advance(8), false);

      // Strings and bytes
      case 0x53: // STRING
        return this.#quoted();
      case 0x54: // BINSTRING
        return latin1(this.#slice(this.#u32()));
      case 0x55: // SHORT_BINSTRING
        return latin1(this.#slice(this.#u8()));
      case 0x56: // UNICODE
        return this.#line();
      case 0x58: // BINUNICODE
        return this.#text(this.#u32());
      case 0x8c: // SHORT_BINUNICODE
        return this.#text(this.#u8());
      case 0x8d: // BINUNICODE8
        return this.#text(this.#u64());
      case 0x42: // BINBYTES
        return this.#slice(this.#u32());
      case 0x43: // SHORT_BINBYTES
        return this.#slice(this.#u8());
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#slice(this.#u64());

      // Containers
      case 0x5d: // EMPTY_LIST
        return [];
      case 0x6c: // LIST
        return this.#popMark();
      case 0x61: {
        // APPEND
        const item = this.#pop();
        this.#list().push(item);
        return undefined;
      }
      case 0x65: {
        // APPENDS
        const items = this.#popMark();
        const list = this.#list();
        for (const item of items) list.push(item);
        return undefined;
      }
      case 0x29: // EMPTY_TUPLE
        return new PyTuple([]);
      case 0x74: // TUPLE
        return new PyTuple(this.#popMark());
      case 0x85: // TUPLE1
        return new PyTuple(this.#popMany(1));
      case 0x86: // TUPLE2
        return new PyTuple(this.#popMany(2));
      case 0x87: // TUPLE3
        return new PyTuple(this.#popMany(3));
      case 0x7d: // EMPTY_DICT
        return new PyDict();
      case 0x64: {
        // DICT
        const items = this.#popMark();
        this.#stack.push(new PyDict());
        this.#setItems(items);
        return undefined;
      }
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        return undefined;
      case 0x75: // SETITEMS
        this.#setItems(this.#popMark());
        return undefined;
      case 0x8f: // EMPTY_SET
        return new Set<PyValue>();
      case 0x90: {
        // ADDITEMS
        const items = this.#popMark();
        const set = this.#top();
        if (set instanceof PyInert) return undefined;
        if (!(set instanceof Set)) throw this.#error('corrupt', 'pickle adds items to something that is no set');
        for (const item of items) set.add(item);
        return undefined;
      }
      case 0x91: // FROZENSET
        return new Set(this.#popMark());

      // Globals and calls
      case 0x63: {
        // GLOBAL
        const module = this.#line();
        return this.#global(module, this.#line());
      }
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') {
          throw this.#error('corrupt', 'pickle names a global by something that is no string');
        }
        return this.#global(module, name);
      }
      case 0x69: {
        // INST
        const module = this.#line();
        const global = this.#global(module, this.#line());
        return global.call(this.#popMark());
      }
      case 0x6f: {
        // OBJ
        const [callable, ...args] = this.#popMark();
        return this.#callable(callable).call(args);
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callable, args] = this.#popMany(2);
        return this.#callable(callable).call(this.#tuple(args));
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callable, args, keywords] = this.#popMany(3);
        if (!(keywords instanceof PyDict) || keywords.size > 0) {
          throw this.#error('unsupported', 'pickle calls with keyword arguments');
        }
        return this.#callable(callable).call(this.#tuple(args));
      }
      case 0x62: {
        // BUILD
        // Attributes of a container or an inert object (an OrderedDict's `_metadata`, ...) say nothing about weights.
        this.#pop();
        const target = this.#top();
        if (!(target instanceof PyDict || target instanceof PyInert)) {
          throw this.#error('corrupt', 'pickle sets the state of something that has none');
        }
        return undefined;
      }

      // Persistent ids
      case 0x50: // PERSID
        return this.#persistent(this.#line());
      case 0x51: // BINPERSID
        return this.#persistent(this.#pop());

      case 0x82: // EXT1, EXT2, EXT4: a registry that exists only inside a Python process
      case 0x83: // EXT2
      case 0x84: // EXT4
        throw this.#error('unsupported', 'pickle uses the extension registry');
      case 0x97: // NEXT_BUFFER
      case 0x98: // READONLY_BUFFER
        throw this.#error('unsupported', 'pickle uses out-of-band buffers');
      default:
        throw this.#error('corrupt', `0x${opcode.toString(16)} at byte ${at} is no pickle opcode`);
    }
  }

  #global(module: string, name: string): PyGlobal {
    const full = `${module}.${name}`;
    const global = this.#options.globals.get(full);
    if (global) return global;
    const shown = printable(full);
    throw new CheckpointError(
      'forbidden-global',
      `refused: the pickle asks for "${shown}", which no state dict needs and which could run code. Nothing was executed`,
      { file: this.#options.file, global: shown },
    );
  }

  #persistent(id: PyValue): PyValue {
    if (!this.#options.persistentLoad) throw this.#error('corrupt', 'pickle has a persistent id where none may be');
    return this.#options.persistentLoad(id);
  }

  #callable(value: PyValue | undefined): PyGlobal {
    if (value instanceof PyGlobal) return value;
    throw this.#error('corrupt', 'pickle calls something that is no function');
  }

  #tuple(value: PyValue | undefined): readonly PyValue[] {
    if (value instanceof PyTuple) return value.items;
    throw this.#error('corrupt', 'pickle passes arguments that are no tuple');
  }

  #list(): PyValue[] {
    const list = this.#top();
    // What is added to an inert object goes with it.
    if (list instanceof PyInert) return [];
    if (!Array.isArray(list)) throw this.#error('corrupt', 'pickle appends to something that is no list');
    return list;
  }

  #setItems(items: readonly PyValue[]): void {
    const dict = this.#top();
    if (dict instanceof PyInert) return;
    if (!(dict instanceof PyDict)) throw this.#error('corrupt', 'pickle sets items of something that is no dict');
    if (items.length % 2) throw this.#error('corrupt', 'pickle sets a dict key without a value');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
  }

  #pop(): PyValue {
    if (this.#stack.length === 0) throw this.#error('corrupt', 'pickle takes from an empty stack');
    return this.#stack.pop()!;
  }

  #popMany(count: number): PyValue[] {
    if (this.#stack.length < count) throw this.#error('corrupt', 'pickle takes from an empty stack');
    return this.#stack.splice(this.#stack.length - count, count);
  }

  #top(): PyValue {
    if (this.#stack.length === 0) throw this.#error('corrupt', 'pickle looks at an empty stack');
    return this.#stack[this.#stack.length - 1]!;
  }

  #popMark(): PyValue[] {
    const outer = this.#marks.pop();
    if (!outer) throw this.#error('corrupt', 'pickle closes a mark that was never set');
    const items = this.#stack;
    this.#stack = outer;
    return items;
  }

  #remember(index: number): void {
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): PyValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#error('corrupt', `pickle recalls memo ${index}, which was never stored`);
    return value;
  }

  /** Moves on by `count` bytes and returns where they start. */
  #advance(count: number): number {
    const start = this.#position;
    if (start + count > this.#bytes.byteLength) throw this.#error('truncated', 'pickle ends in the middle');
    this.#position = start + count;
    return start;
  }

  #u8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  #u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  #u64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  #slice(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): string {
    return new TextDecoder().decode(this.#slice(length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0) throw this.#error('truncated', 'pickle ends in the middle of a line');
    const text = this.#text(end - this.#position);
    this.#position = end + 1;
    return text;
  }

  #quoted(): string {
    const text = this.#line();
    if (!/^(['"]).*\1$/s.test(text) || text.length < 2) throw this.#error('corrupt', 'pickle has an unquoted string');
    return text.slice(1, -1);
  }

  #decimal(): number {
    const value = this.#integer(this.#line());
    if (typeof value !== 'number' || value < 0) throw this.#error('corrupt', 'pickle has a bad memo index');
    return value;
  }

  #integer(text: string): number | bigint {
    if (!/^-?\d+$/.test(text)) throw this.#error('corrupt', `"${printable(text)}" is no integer`);
    if (text.length > 2 * MAX_LONG_BYTES) throw this.#error('too-large', `integer of ${text.length} digits`);
    return narrow(BigInt(text));
  }

  /** Little-endian two's complement. */
  #long(length: number): number | bigint {
    if (length > MAX_LONG_BYTES) throw this.#error('too-large', `integer of ${length} bytes`);
    const bytes = this.#slice(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return narrow(BigInt.asIntN(8 * length, value));
  }

  #error(code: 'corrupt' | 'truncated' | 'unsupported' | 'too-large', message: string): CheckpointError {
    return new CheckpointError(code, message, { file: this.#options.file });
  }
}

const STOP = 0x2e;

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function latin1(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}

/** A name from an untrusted file, fit for a message. */
function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > 200 ? `${clean.slice(0, 200)}...` : clean;
}
