import type { OutOfBudgetError } from '@samtrack/models';
import type { Frame, LabelMap } from '../io/index.js';
import { labelIds } from '../io/label-map.js';
import { withoutPixels } from '../tracking/strays.js';
import type { FrameReviser } from '../tracking/track.js';
import type { Candidate } from './candidate.js';
import type { CandidateSource } from './candidate-source.js';
import { confirmedBy, type VoteOptions } from './confirm.js';
import { DISCOVERY_DEFAULTS } from './defaults.js';
import {
  admit,
  type DiscoverOptions,
  type KnownObject,
  type NewObject,
  type Proposal,
  propose,
  type Rejection,
} from './discover.js';
import { type QueuedProposal, ReviewQueue } from './review-queue.js';
import { StrayWatch } from './strays.js';

/** An object of an automatic run. */
export interface DiscoveredObject extends KnownObject {
  /** How it came to be: a given mask, or a kind of candidates. */
  source: 'mask' | CandidateSource['kind'];
  /** Index and name of the frame in which it was found; given objects have no name. */
  frame: number;
  frameName?: string;
  score?: number;
}

/** What came of looking at one frame. */
export interface DiscoveryReport {
  frame: Frame;
  accepted: readonly NewObject[];
  /** New entries of the review queue. */
  queued: readonly QueuedProposal[];
  rejected: readonly Rejection[];
}

/** Options of `Discoverer`. */
export interface DiscovererOptions extends Omit<DiscoverOptions, 'known'> {
  candidates: CandidateSource;
  /** Frames from one look to the next; SAM-Track's n (`sam_gap`), default 10. */
  every?: number | undefined;
  /** Whether the first frame of the run is looked at: yes without given masks, no with them. */
  first?: boolean | undefined;
  /** Frames that follow and vote on each new object before it gets an id; 0: none do. Default 2. */
  lookAhead?: number | undefined;
  vote?: VoteOptions | undefined;
  /**
   * Whether something that a tracked object's id has jumped to, far from the object itself, may be a new object (`StrayWatch`); default true.
   * Off, everything that has an id counts as tracked, as in SAM-Track.
   */
  strays?: boolean | undefined;
  /** Objects there are already: given ones, or those of an interrupted run. */
  objects?: Iterable<DiscoveredObject> | undefined;
  onDiscovery?: ((report: DiscoveryReport) => void) | undefined;
  /** Called once when the tracker has no memory left for new objects; the run goes on with those there are. */
  onFull?: ((frame: Frame, error: OutOfBudgetError) => void) | undefined;
}

/**
 * Looks for new objects in every n-th frame of a run, compares the candidates with what is tracked, and adds those that are new.
 *
 * A decision depends only on the frame, on the frames that vote, and on the objects so far, so that a resumed run comes to the same ones.
 */
export class Discoverer implements FrameReviser {
  readonly lookAhead: number;
  /** Proposals that wait for a decision, with the option `review`. */
  readonly queue = new ReviewQueue();
  private readonly known = new Map<number, DiscoveredObject>();
  private full = false;
  private firstFrame: number | undefined;
  private readonly watch = new StrayWatch();
  /** What `revise` added last. */
  private added: readonly NewObject[] = [];

  constructor(private readonly options: DiscovererOptions) {
    this.lookAhead = options.lookAhead ?? DISCOVERY_DEFAULTS.lookAhead;
    for (const object of options.objects ?? []) this.known.set(object.id, object);
  }

  /** All objects so far, in the order of their ids. */
  get objects(): readonly DiscoveredObject[] {
    return [...this.known.values()].sort((a, b) => a.id - b.id);
  }

  due(_frame: Frame, position: number): boolean {
    const { every = DISCOVERY_DEFAULTS.every, first = true } = this.options;
    return !this.full && position % every === 0 && (position > 0 || first);
  }

  async revise(
    frame: Frame,
    labels: LabelMap,
    ahead: readonly Frame[],
    signal?: AbortSignal,
  ): Promise<LabelMap | undefined> {
    const { candidates: source, review, onDiscovery } = this.options;
    this.register(frame, labels);
    const options: DiscoverOptions = { ...this.options, known: this.known.values() };
    const candidates = await source.find(frame, signal);
    const masks = candidates.map(({ mask }) => mask);
    const strays = this.options.strays === false ? [] : this.watch.strays(labels, masks);
    const trusted = strays.length > 0 ? withoutPixels(labels, strays) : labels;
    const { proposals, rejected } = propose(trusted, candidates, options);
    const { confirmed, refuted } = await this.vote(proposals, ahead, signal);
    const refusals: Rejection[] = [
      ...rejected,
      ...refuted.map(({ candidate }) => ({ candidate, reason: 'unconfirmed' as const })),
    ];
    if (review) {
      const queued = this.queue.add(frame.index, confirmed, frame);
      onDiscovery?.({ frame, accepted: [], queued, rejected: refusals });
      return undefined;
    }
    const { labels: merged, accepted, rejected: capped } = admit(trusted, confirmed, options);
    this.added = accepted;
    for (const { id, label, score } of accepted) {
      this.known.set(id, { id, label, score, source: source.kind, frame: frame.index, frameName: frame.name });
    }
    onDiscovery?.({ frame, accepted, queued: [], rejected: [...refusals, ...capped] });
    if (accepted.length === 0) return undefined;
    for (const pixels of strays) giveBack(labels, merged, pixels);
    return merged;
  }

  observe({ index }: Frame, labels: LabelMap): void {
    this.firstFrame ??= index;
    this.watch.observe(labels);
  }

  refused(frame: Frame, error: OutOfBudgetError): void {
    for (const { id } of this.added) this.known.delete(id);
    this.full = true;
    this.options.onFull?.(frame, error);
  }

  /** Ids that came from elsewhere, such as the first mask. */
  private register({ index }: Frame, labels: LabelMap): void {
    for (const id of labelIds(labels)) {
      if (!this.known.has(id)) this.known.set(id, { id, source: 'mask', frame: this.firstFrame ?? index });
    }
  }

  private async vote(
    proposals: readonly Proposal[],
    ahead: readonly Frame[],
    signal?: AbortSignal,
  ): Promise<{ confirmed: Proposal[]; refuted: Proposal[] }> {
    const later: Candidate[][] = [];
    if (proposals.length > 0) {
      for (const frame of ahead) later.push(await this.options.candidates.find(frame, signal));
    }
    const isConfirmed = (proposal: Proposal) => confirmedBy(proposal.candidate, later, this.options.vote);
    return {
      confirmed: proposals.filter(isConfirmed),
      refuted: proposals.filter((proposal) => !isConfirmed(proposal)),
    };
  }
}

/** Leaves a stray to its object after all, unless most of it has become a new one; what the new one does not cover is then background. */
function giveBack(labels: LabelMap, merged: LabelMap, pixels: readonly number[]): void {
  const taken = pixels.filter((at) => merged.data[at] !== 0).length;
  if (2 * taken > pixels.length) return;
  for (const at of pixels) if (merged.data[at] === 0) merged.data[at] = labels.data[at]!;
}
