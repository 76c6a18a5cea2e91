import { signal } from '@preact/signals';

/** How new objects are looked for while tracking. */
export interface Discovery {
  readonly kind: 'off' | 'everything' | 'text';
  readonly text: string;
  readonly every: number;
  readonly review: boolean;
  readonly minArea: number;
}

/** Off at first: who clicks wants what was clicked. */
export const discovery = signal<Discovery>({ kind: 'off', text: '', every: 10, review: true, minArea: 200 });
