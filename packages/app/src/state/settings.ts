import { computed, effect, signal } from '@preact/signals';
import type { ModelChoice } from '../protocol.js';

/** What is remembered of the user's wishes in this browser. */
export interface Settings {
  readonly theme: 'system' | 'dark' | 'light';
  /** Whether single letters are shortcuts (WCAG 2.1.4). */
  readonly letterKeys: boolean;
  /** Keys in place of the usual ones, by command. */
  readonly keys: Readonly<Record<string, string>>;
  /** Budget of a session in MB; none if 0. */
  readonly memoryMB: number;
  /** Whether opened files are copied, so that a reload finds them. */
  readonly keepCopy: boolean;
  readonly models: readonly ModelChoice[];
}

const DEFAULTS: Settings = {
  theme: 'dark',
  letterKeys: true,
  keys: {},
  memoryMB: 0,
  keepCopy: true,
  models: [],
};
const KEY = 'samtrack settings';

function load(): Settings {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Settings>) };
  } catch {
    // Storage is switched off, or holds something else: then the defaults it is.
    return DEFAULTS;
  }
}

export const settings = signal<Settings>(load());

export function change(part: Partial<Settings>): void {
  settings.value = { ...settings.value, ...part };
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.value));
  } catch {
    // They hold until the page is closed.
  }
}

const prefersLight = matchMedia('(prefers-color-scheme: light)');
const systemIsLight = signal(prefersLight.matches);
prefersLight.addEventListener('change', ({ matches }) => {
  systemIsLight.value = matches;
});

/** The colours that are shown. */
export const theme = computed((): 'dark' | 'light' => {
  const wanted = settings.value.theme;
  if (wanted !== 'system') return wanted;
  return systemIsLight.value ? 'light' : 'dark';
});

effect(() => {
  document.documentElement.dataset['theme'] = theme.value;
});
