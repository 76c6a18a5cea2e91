/** What a PyTorch state dict may name in its pickle, and nothing else. */
import { CheckpointError } from './error.js';
import type { DType } from './types.js';
import { PyDict, PyGlobal, PyHostValue, PyInert, PyTuple, type PyValue } from './unpickler.js';

/** Larger than any tensor of a supported model (BERT's word embeddings have 2^24.5 elements). */
const MAX_ELEMENTS = 2 ** 30;
const MAX_DIMENSIONS = 64;

/** A storage named in the pickle; its bytes are elsewhere in the file and may never be read. */
export class StorageRef extends PyHostValue {
  constructor(
    readonly dtype: DType,
    /** Name of the record (zip) or of the storage (legacy). */
    readonly key: string,
    /** Elements in the whole storage. */
    readonly elements: number,
    /** First element of the view, in a legacy file that stores views of a shared storage. */
    readonly viewOffset: number,
  ) {
    super();
  }
}

/** A tensor as a view of a storage; offset and strides count elements. */
export class TensorRef extends PyHostValue {
  constructor(
    readonly storage: StorageRef,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }
}

const STORAGE_DTYPES: Readonly<Record<string, DType>> = {
  DoubleStorage: 'f64',
  FloatStorage: 'f32',
  HalfStorage: 'f16',
  BFloat16Storage: 'bf16',
  LongStorage: 'i64',
  IntStorage: 'i32',
  ShortStorage: 'i16',
  CharStorage: 'i8',
  ByteStorage: 'u8',
  BoolStorage: 'bool',
};

/** Classes of plain data that training scripts leave beside the weights (epoch, arguments, best score). Carried, never interpreted. */
const INERT = [
  'argparse.Namespace',
  'types.SimpleNamespace',
  'collections.deque',
  'copyreg._reconstructor',
  '__builtin__.object',
  'builtins.object',
  'builtins.frozenset',
  'builtins.complex',
  'builtins.slice',
  'builtins.range',
  'builtins.bytearray',
  'builtins.int',
  'builtins.float',
  'builtins.str',
  'builtins.list',
  'builtins.tuple',
  ...['PosixPath', 'PurePosixPath', 'WindowsPath', 'PureWindowsPath', 'Path', 'PurePath'].flatMap((name) => [
    `pathlib.${name}`,
    `pathlib._local.${name}`,
  ]),
  ...['date', 'time', 'datetime', 'timedelta', 'timezone'].map((name) => `datetime.${name}`),
  'uuid.UUID',
  'decimal.Decimal',
  'fractions.Fraction',
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module) => [
    `${module}.scalar`,
    `${module}._reconstruct`,
  ]),
  'numpy.core.numeric._frombuffer',
  'numpy._core.numeric._frombuffer',
  'numpy.ndarray',
  ...[
    ...['bool_', 'bool', 'float16', 'float32', 'float64', 'longdouble', 'complex64', 'complex128', 'str_', 'bytes_'],
    ...[8, 16, 32, 64].flatMap((bits) => [`int${bits}`, `uint${bits}`]),
  ].map((name) => `numpy.${name}`),
  ...['Bool', 'Float16', 'Float32', 'Float64', 'Str', 'Bytes', 'Object']
    .concat([8, 16, 32, 64].flatMap((bits) => [`Int${bits}`, `UInt${bits}`]))
    .map((name) => `numpy.dtypes.${name}DType`),
  ...['float16', 'float32', 'float64', 'bfloat16', 'int8', 'int16', 'int32', 'int64', 'uint8', 'bool'].map(
    (name) => `torch.${name}`,
  ),
  'torch.serialization._get_layout',
  'torch.Generator',
  'easydict.EasyDict',
  'addict.addict.Dict',
  'yacs.config.CfgNode',
  'collections.defaultdict',
  'collections.Counter',
  '__builtin__.dict',
  'builtins.dict',
  '__builtin__.set',
  'builtins.set',
  '_codecs.encode',
  'numpy.dtype',
  'torch.Size',
  'torch.device',
];

/** The allow-list, with handlers that report problems under `file`. */
export function torchGlobals(file: string): ReadonlyMap<string, PyGlobal> {
  const globals = new Map<string, PyGlobal>();
  const allow = (name: string, call: (args: readonly PyValue[]) => PyValue) =>
    globals.set(name, new PyGlobal(name, call));
  const corrupt = (message: string) => new CheckpointError('corrupt', message, { file });

  allow('collections.OrderedDict', ([items]) => {
    const dict = new PyDict();
    if (items === undefined) return dict;
    if (!Array.isArray(items)) throw corrupt('OrderedDict is built from something that is no list');
    for (const item of items) {
      const pair = item instanceof PyTuple ? item.items : item;
      if (!Array.isArray(pair) || pair.length !== 2)
        throw corrupt('OrderedDict is built from something else than pairs');
      dict.set(pair[0]!, pair[1]!);
    }
    return dict;
  });
  // (storage, offset, size, stride[, requires_grad, hooks[, metadata]])
  const rebuildTensor = (args: readonly PyValue[]) => tensorRef(args, file);
  allow('torch._utils._rebuild_tensor', rebuildTensor);
  allow('torch._utils._rebuild_tensor_v2', rebuildTensor);
  // (tensor, requires_grad, hooks)
  allow('torch._utils._rebuild_parameter', ([tensor]) => {
    if (!(tensor instanceof TensorRef)) throw corrupt('_rebuild_parameter is given something that is no tensor');
    return tensor;
  });
  for (const storage of Object.keys(STORAGE_DTYPES)) {
    for (const module of ['torch', 'torch.cuda']) {
      allow(`${module}.${storage}`, () => {
        throw corrupt(`pickle constructs a ${storage} instead of naming one`);
      });
    }
  }
  for (const name of INERT) allow(name, (args) => new PyInert(name, args));
  return globals;
}

/**
 * A persistent id: `('storage', type, key, location, elements[, view])`. The location ("cpu", "cuda:0") is ignored.
 * `view`, in legacy files, is None or `(key, offset, elements)`.
 */
export function storageRef(id: PyValue, file: string): StorageRef {
  const corrupt = (message: string) => new CheckpointError('corrupt', message, { file });
  if (!(id instanceof PyTuple)) throw corrupt('persistent id is no tuple');
  const [kind, type, key, , elements, view] = id.items;
  if (kind !== 'storage') throw corrupt(`persistent id of kind "${String(kind)}"; only storages may be referred to`);
  const dtype = type instanceof PyGlobal ? STORAGE_DTYPES[type.name.replace(/^.*\./, '')] : undefined;
  if (!dtype) throw corrupt('persistent id without a storage type');
  if (typeof key !== 'string' || !isNatural(elements)) throw corrupt('persistent id without a storage key and size');
  let viewOffset = 0;
  if (view instanceof PyTuple) {
    const offset = view.items[1];
    if (!isNatural(offset)) throw corrupt(`storage "${key}" has a view without an offset`);
    viewOffset = offset;
  }
  return new StorageRef(dtype, key, elements, viewOffset);
}

function tensorRef([storage, offset, size, stride]: readonly PyValue[], file: string): TensorRef {
  const corrupt = (message: string) => new CheckpointError('corrupt', message, { file });
  if (!(storage instanceof StorageRef)) throw corrupt('a tensor is rebuilt from something that is no storage');
  if (!isNatural(offset)) throw corrupt(`tensor in storage "${storage.key}" has no valid offset`);
  const shape = naturals(size);
  const strides = naturals(stride);
  if (!shape || !strides || shape.length !== strides.length || shape.length > MAX_DIMENSIONS) {
    throw corrupt(`tensor in storage "${storage.key}" has no valid size and stride`);
  }
  const elements = shape.reduce((product, dimension) => product * dimension, 1);
  if (!(elements <= MAX_ELEMENTS)) {
    throw new CheckpointError('too-large', `tensor of ${elements} elements in storage "${storage.key}"`, { file });
  }
  const start = storage.viewOffset + offset;
  const end = elements === 0 ? start : start + lastElement(shape, strides) + 1;
  if (!(end <= storage.elements)) {
    throw corrupt(`tensor reaches element ${end} of storage "${storage.key}", which has ${storage.elements}`);
  }
  return new TensorRef(storage, start, shape, strides);
}

/** Offset of the last element from the first. */
export function lastElement(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((sum, dimension, axis) => sum + (dimension - 1) * strides[axis]!, 0);
}

function naturals(value: PyValue | undefined): number[] | undefined {
  // torch.Size pickles as a plain tuple in old files, as a call with one tuple in newer ones.
  const plain = value instanceof PyInert && value.type === 'torch.Size' ? value.args[0] : value;
  const items = plain instanceof PyTuple ? plain.items : plain;
  return Array.isArray(items) && items.every(isNatural) ? (items as number[]) : undefined;
}

function isNatural(value: PyValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
