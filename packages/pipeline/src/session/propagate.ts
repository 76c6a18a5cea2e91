import { OutOfBudgetError } from '@samtrack/models';
import { type Frame, type LabelMap, SourceError } from '../io/index.js';
import { checkOptions, hasMethod, INTEGER, type KnownOptions, LIST, SIGNAL } from '../io/known-options.js';
import type { FrameReviser } from '../tracking/track.js';
import { annotate } from './annotate.js';
import { type SessionMemory, shareBudget } from './budget.js';
import type { SessionCore } from './core.js';
import { driftOf, type ObjectConfidence } from './drift.js';
import { badOption, SessionError } from './errors.js';
import { type Direction, type PropagateEvent, signOf, type TravelRange } from './events.js';
import type { HistoryNode } from './history.js';
import { pixelsOf, ResultMask } from './masks.js';
import { type Plan, planRanges } from './plan.js';
import { restoreMasks } from './restore.js';
import { frameAt } from './state.js';

/** Options of `Session.propagate`. */
export interface PropagateOptions {
  /** Default `forward`. */
  direction?: Direction | undefined;
  /** The frame to begin at; it, or one before it in the direction, has masks. Default: whatever has to be tracked. */
  from?: number | undefined;
  /** The frame to stop before, in the direction. Default: the end. */
  to?: number | undefined;
  /** Objects that get new masks; the others keep theirs. Default: all that are not locked. */
  objects?: readonly number[] | undefined;
  /** Adds objects on the way; what it adds is stored as an annotation. */
  reviser?: FrameReviser | undefined;
  signal?: AbortSignal | undefined;
}

/** The masks of a frame that was tracked. */
export interface SessionResult {
  /** Index of the frame, and its presentation time in seconds. */
  readonly frame: number;
  readonly time: number;
  readonly name: string;
  /** The frame's picture. */
  readonly image: Frame;
  /** Objects that are in the frame, ascending. */
  readonly ids: readonly number[];
  readonly mask: ResultMask;
  /** By object. */
  readonly confidence: ReadonlyMap<number, ObjectConfidence>;
  /** 0 (sure of all objects) to 1. */
  readonly drift: number;
  /** Frames tracked by this call so far, and how many there will be, if that is known. */
  readonly done: number;
  readonly total: number | undefined;
  readonly memory: SessionMemory;
}

type PropagateNode = HistoryNode & { event: PropagateEvent };

/** Frames of a propagation altogether; undefined where the end is not known. */
function lengthOf({ ranges }: Pick<PropagateEvent, 'ranges'>): number | undefined {
  return ranges.reduce<number | undefined>(
    (sum, [start, end]) => (sum === undefined || end === null ? undefined : sum + Math.abs(end - start)),
    0,
  );
}

const OPTIONS: KnownOptions<PropagateOptions> = {
  direction: true,
  from: INTEGER,
  to: INTEGER,
  objects: LIST,
  reviser: hasMethod('what finds objects', 'revise'),
  signal: SIGNAL,
};

/** See `Session.propagate`. */
export async function* propagate(core: SessionCore, options: PropagateOptions): AsyncGenerator<SessionResult> {
  core.check();
  checkOptions('propagate', options, OPTIONS, badOption);
  if (core.running) throw new SessionError('busy', 'the session is propagating already');
  const { signal, reviser } = options;
  const { history, masks } = core.project;
  core.running = { seq: 0, recorded: Number.POSITIVE_INFINITY };
  try {
    signal?.throwIfAborted();
    await restoreMasks(core, { signal });
    const left = history.head;
    let node = await begin(core, options);
    let count = 0;
    while (node) {
      const current: PropagateNode = node;
      const { seq } = current;
      core.running = { seq, recorded: history.done(seq) };
      const length = lengthOf(current.event);
      const total = length === undefined ? undefined : count + length - history.done(seq);
      for await (const { frame, labels, certaintyOf, gone } of core.runner.run(current, history.done(seq), signal)) {
        await masks.add(seq, frame.index, labels, certaintyOf, gone);
        core.advance(seq);
        checkBudget(core);
        if (reviser?.due(frame, count)) await revise(core, reviser, frame, labels, signal);
        const seen = history.head === current ? labels : await core.masks(frame.index);
        yield result(core, frame, seen, ++count, total);
        if (history.head !== current) break;
      }
      await core.record();
      if (history.head !== current) node = await goOn(core, current);
      // A propagation that was left may have been of a part only.
      else node = current === left ? await begin(core, options) : undefined;
    }
  } finally {
    try {
      await core.record();
    } finally {
      core.running = undefined;
    }
  }
}

function result(
  core: SessionCore,
  image: Frame,
  labels: LabelMap,
  done: number,
  total: number | undefined,
): SessionResult {
  const mask = new ResultMask(labels);
  const drift = driftOf(core.state, core.project.masks, image.index);
  return {
    frame: image.index,
    time: image.time,
    name: image.name,
    image,
    ids: mask.ids,
    mask,
    confidence: drift?.objects ?? new Map(),
    drift: drift?.drift ?? 0,
    done,
    total,
    memory: core.memory,
  };
}

/** The propagation to run: the one that was left last, or a new one. */
async function begin(core: SessionCore, options: PropagateOptions): Promise<PropagateNode | undefined> {
  const { history } = core.project;
  const { direction = 'forward' } = options;
  // Any other word would be taken for the way back.
  if (direction !== 'forward' && direction !== 'backward') {
    throw new SessionError('bad-option', `the direction is forward or backward, not ${JSON.stringify(direction)}`);
  }
  if (core.state.objects.size === 0)
    throw new SessionError('no-objects', 'there is no object to track: prompt one first');
  if (direction === 'backward' && core.source.kind === 'live') {
    throw new SourceError('unsupported', core.source.name, 'a live source cannot be tracked backward');
  }
  const asked = options.from !== undefined || options.to !== undefined || options.objects !== undefined;
  const head = history.head as PropagateNode | undefined;
  if (head?.event.type === 'propagate' && head.event.direction === direction && !asked && !history.canRedo) {
    const position = history.done(head.seq);
    const length = lengthOf(head.event);
    // The budget may have changed since; what the propagation remembers may not.
    const stays = core.running?.seq !== head.seq;
    if (stays && frameAt(head.event, position) && (length !== undefined || position > 0)) return head;
  }
  const plan = asked
    ? await chosenRange(core, direction, options)
    : planRanges(core.state, direction, core.source.frameCount);
  if (plan.ranges.length === 0) return undefined;
  return start(core, direction, plan);
}

/** @throws SessionError `out-of-range`, `bad-option`, `unknown-object`, `locked-object`, `no-reference` */
async function chosenRange(core: SessionCore, direction: Direction, options: PropagateOptions): Promise<Plan> {
  const sign = signOf(direction);
  const { state, source } = core;
  const references = [...state.annotations.keys()].sort((a, b) => sign * (a - b));
  for (const id of options.objects ?? []) core.unlocked(id);
  const from = options.from ?? references[0];
  if (from === undefined) throw new SessionError('no-reference', 'no frame is annotated: say where to begin');
  core.check(from);
  const end = options.to ?? (direction === 'backward' ? -1 : (source.frameCount ?? null));
  if (end !== null && sign * (end - from) <= 0) {
    throw new SessionError('bad-option', `the range from ${from} to ${end} has no frames ${direction}`);
  }
  if (end !== null && source.frameCount !== undefined && end > source.frameCount) core.check(end - 1);
  const hasReference = references.some((frame) => sign * (from - frame) >= 0);
  if (!hasReference && (await core.masks(from)).ids.length === 0) {
    throw new SessionError(
      'no-reference',
      `neither frame ${from} nor one before it ${direction} has masks to start from`,
    );
  }
  return { ranges: [[from, end]], objects: options.objects };
}

/** Stores a propagation, with its share of the budget; it goes on with the tracker as it stands where that is possible. */
async function start(
  core: SessionCore,
  direction: Direction,
  { ranges, objects }: Plan,
): Promise<PropagateNode | undefined> {
  const chosen = objects ? { objects } : {};
  const continued = continuing(core, direction, ranges);
  if (continued) {
    if (continued.ranges.length === 0) return undefined;
    return (await core.event({ type: 'propagate', direction, ...continued, ...chosen })) as PropagateNode;
  }
  const memoryMB = await share(core);
  const budget = memoryMB === undefined ? {} : { memoryMB };
  return (await core.event({ type: 'propagate', direction, ranges, ...chosen, ...budget })) as PropagateNode;
}

/**
 * Whether ranges go on where the tracker stands. It may be asked to look at its own frame again with other masks, and to forget
 * objects; a live source leaves no other way.
 */
function continuing(
  core: SessionCore,
  direction: Direction,
  ranges: readonly TravelRange[],
): Pick<PropagateEvent, 'ranges' | 'continues' | 'memoryMB'> | undefined {
  const { standing } = core.runner;
  const { path } = core.state;
  const node = path.find(({ seq }) => seq === standing?.seq) as PropagateNode | undefined;
  if (!standing || !node || node.event.direction !== direction) return undefined;
  if (core.project.history.done(node.seq) !== standing.frames) return undefined;
  const sign = signOf(direction);
  const [start, end] = ranges[0]!;
  if (start !== standing.frame && start !== standing.frame + sign) return undefined;
  const live = core.source.kind === 'live';
  const remembered = core.options.shared.tracker.memorisedFrames;
  const since = path.filter(({ seq }) => seq > node.seq);
  for (const { event } of since) {
    if (live || event.type === 'update' || event.type === 'remove' || event.type === 'merge') continue;
    if (event.type !== 'annotate') return undefined;
    const ahead = sign * (event.frame - standing.frame);
    // A wrong mask must not stay in the long-term memory.
    const stays = remembered.some(({ frame, reference }) => !reference && frame === standing.frame);
    if (ahead < 0 || (ahead === 0 && stays)) return undefined;
  }
  const first = standing.frame + sign;
  const rest = ranges.slice(1);
  const continues = { event: node.seq, frames: standing.frames };
  const { memoryMB } = node.event;
  return {
    ranges: end !== null && sign * (end - first) <= 0 ? rest : [[first, end], ...rest],
    continues,
    ...(memoryMB === undefined ? {} : { memoryMB }),
  };
}

/** After a change between two results: the rest of the propagation, as a new one. Nothing if it was undone. */
async function goOn(core: SessionCore, node: PropagateNode): Promise<PropagateNode | undefined> {
  if (!core.state.path.includes(node) || core.state.objects.size === 0) return undefined;
  const { direction, ranges, objects } = node.event;
  const at = frameAt(node.event, core.project.history.done(node.seq));
  if (!at) return undefined;
  const rest: TravelRange[] = [[at.frame, ranges[at.range]![1]], ...ranges.slice(at.range + 1)];
  return start(core, direction, { ranges: rest, objects: objects?.filter((id) => core.state.objects.has(id)) });
}

/** Shares the budget out. @throws OutOfBudgetError */
async function share(core: SessionCore): Promise<number | undefined> {
  const { memoryMB, shared } = core.options;
  if (memoryMB === undefined) return undefined;
  const { objects, annotations } = core.state;
  const other = core.readBytes + core.memory.maskBytes;
  const references = Math.max(1, annotations.size);
  const shares = await shareBudget(shared, core.source, objects.size, references, other, memoryMB * 1e6);
  core.expectedBytes = shares.expectedBytes;
  return shares.memoryMB;
}

/** @throws OutOfBudgetError where what was promised does not hold; what is done is kept */
function checkBudget(core: SessionCore): void {
  const { budgetBytes, usedBytes } = core.memory;
  if (budgetBytes === undefined || usedBytes <= budgetBytes) return;
  throw new OutOfBudgetError(usedBytes, budgetBytes, 'The session');
}

async function revise(
  core: SessionCore,
  reviser: FrameReviser,
  frame: Frame,
  labels: LabelMap,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ahead: Frame[] = [];
  const { frameCount = 0 } = core.source;
  for (let i = 1; i <= reviser.lookAhead && frame.index + i < frameCount; i++) {
    ahead.push(await core.reader.get(frame.index + i, signal));
  }
  const revised = await reviser.revise(frame, labels, ahead, signal);
  if (!revised) return;
  const found = new ResultMask(revised).ids.filter((id) => !core.state.objects.has(id));
  if (found.length === 0) return;
  const masks = found.map((id) => ({ object: id, pixels: pixelsOf(revised, id) }));
  await annotate(core, frame.index, masks, { discovered: true });
}
