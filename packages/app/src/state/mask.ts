import { signal } from '@preact/signals';
import type { MaskReadingName } from '../protocol.js';

/** Ways to read a mask file, for people. */
export const READINGS: Readonly<Record<MaskReadingName, readonly [name: string, what: string]>> = {
  labels: ['Labels', 'each value is an object, 255 too'],
  binary: ['One object', 'what is light, from half of the brightest value up'],
  colours: ['Colours', 'each colour but black is an object'],
  alpha: ['Alpha', 'what is opaque is one object'],
};

/** What the engine says of a mask, in the words of the page: it names the options of the command line. */
export const inPageWords = (text: string): string =>
  text.replaceAll(/--mask-as (\w+)/g, (option, name) => {
    const [label] = READINGS[name as MaskReadingName] ?? [];
    return label ? `“${label}”` : option;
  });

/** The mask file that was given last, and what became of it. */
export interface MaskGiven {
  readonly file: File;
  readonly frame: number;
  /** How it was to be read, where the user has said it. */
  readonly as?: MaskReadingName;
  /** By which another reading takes its place. */
  readonly edit?: number;
  /** What it was taken for, or why it was refused. */
  readonly said: string;
}
export const maskGiven = signal<MaskGiven | undefined>(undefined);
