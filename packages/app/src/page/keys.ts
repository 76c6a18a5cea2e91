import { effect } from '@preact/signals';
import { matchKeybindingPress, parseKeybinding } from 'tinykeys';
import { panned, panning } from '../stage/gestures.js';
import { COMMANDS, type Command, commandById, leave, type Scope } from '../state/commands.js';
import { settings } from '../state/settings.js';
import { candidates, dialog, inspectorTab, keyboardCursor, project, showOriginal, takeOver } from '../state/view.js';

/** Keys of a command: the user's, or the usual ones. */
export const keysOf = ({ id, keys }: Command): readonly string[] => {
  const own = settings.value.keys[id];
  return own === undefined ? keys : own === '' ? [] : own.split(' ');
};

/** Whether a key is a character by itself, which speech input would press by the dozen. */
export const isLetter = (key: string): boolean => /^(Shift\+)?[^+\s]$/.test(key) || key === '+';

/** A key as people read it. */
export function shown(key: string): string {
  const mac = /Mac|iP/.test(navigator.platform);
  const names: Readonly<Record<string, string>> = {
    $mod: mac ? '⌘' : 'Ctrl',
    ArrowRight: '→',
    ArrowLeft: '←',
    ArrowUp: '↑',
    ArrowDown: '↓',
    PageUp: 'PgUp',
    PageDown: 'PgDn',
    Delete: 'Del',
  };
  if (key === '+') return '+';
  return key
    .split('+')
    .map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(mac ? ' ' : '+');
}

/** The first key of a command, for tooltips. */
export const hint = (command: Command): string => {
  const key = keysOf(command).find((one) => settings.value.letterKeys || !isLetter(one));
  return key ? shown(key) : '';
};

const REGIONS = ['topbar', 'tools', 'stage', 'inspector', 'timeline', 'status'] as const;

/** Moves the focus to the next part of the page. */
function nextRegion(by: 1 | -1): void {
  const now = document.activeElement?.closest<HTMLElement>('[data-region]')?.dataset['region'];
  const at = REGIONS.indexOf(now as (typeof REGIONS)[number]);
  for (let i = 1; i <= REGIONS.length; i++) {
    const name = REGIONS[(at + by * i + 2 * REGIONS.length) % REGIONS.length];
    const region = document.querySelector<HTMLElement>(`[data-region=${name}]`);
    const target =
      region?.tabIndex === 0 ? region : region?.querySelector<HTMLElement>('button, [tabindex="0"], input, select');
    if (target && target.offsetParent !== null) {
      target.focus();
      return;
    }
  }
}

/** Commands that a held key repeats. */
const REPEATED = /^(next|previous|zoom|smaller|larger|object-)/;

const onStage = ({ target }: Event) => target instanceof HTMLElement && target.dataset['region'] === 'stage';

const isTextField = (target: EventTarget | null): boolean => {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable)
    return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button'].includes(target.type);
};

/** Keys that a control in focus needs for itself. */
function isOwnKey({ key, target }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement) || target.dataset['region'] === 'stage') return false;
  const pressed = target.closest('button, a, summary, [role=button], input');
  if (pressed && (key === ' ' || key === 'Enter')) return true;
  const arrows = target.closest('input[type=range], [role=radiogroup], [role=tablist], [role=menu], [role=slider]');
  return arrows !== null && /^(Arrow|Home|End|Page)/.test(key);
}

/** Runs a command, unless a listener to `samtrack-command` (detail: its id) prevents that. */
function fire({ id, run }: Command): void {
  const event = new CustomEvent('samtrack-command', { detail: id, cancelable: true });
  if (window.dispatchEvent(event)) void run();
}

/** Listens to all keys of the page, by one table. */
export function listenToKeys(): void {
  const scopes = (): Scope[] => [
    ...(inspectorTab.value === 'review' && candidates.value.length > 0 ? (['review'] as const) : []),
    ...(project.value && !takeOver.value ? (['project'] as const) : []),
    'global',
  ];
  let table: { command: Command; presses: ReturnType<typeof parseKeybinding>; letter: boolean }[] = [];
  effect(() => {
    table = COMMANDS.flatMap((command) =>
      keysOf(command).map((key) => ({ command, presses: parse(key), letter: isLetter(key) })),
    );
  });
  window.addEventListener(
    'keydown',
    (event) => {
      if (event.defaultPrevented || event.isComposing || isTextField(event.target)) return;
      if (event.key === 'F6') {
        event.preventDefault();
        nextRegion(event.shiftKey ? -1 : 1);
        return;
      }
      if (dialog.value || document.querySelector('[popover]:popover-open')) return;
      if (event.key === '\\') {
        showOriginal.value = true;
        return;
      }
      if (event.key === 'Escape' && leave()) return;
      // The keyboard's cursor takes them, on the stage.
      if (keyboardCursor.value && onStage(event) && /^(Arrow|Enter)/.test(event.key)) return;
      if (isOwnKey(event)) return;
      for (const scope of scopes()) {
        const found = table.find(
          ({ command, presses, letter }) =>
            command.scope === scope &&
            (settings.value.letterKeys || !letter) &&
            presses.length === 1 &&
            matchKeybindingPress(event, presses[0]!),
        );
        if (!found) continue;
        event.preventDefault();
        if (event.key === ' ') {
          // Held, it pans; what it does otherwise is done when it is let go.
          panned.value &&= panning.value;
          panning.value = true;
        } else if (!event.repeat || REPEATED.test(found.command.id)) {
          fire(found.command);
        }
        return;
      }
    },
    true,
  );
  window.addEventListener('keyup', ({ key }) => {
    if (key === '\\') showOriginal.value = false;
    if (key !== ' ' || !panning.value) return;
    panning.value = false;
    if (!panned.value) fire(commandById('play'));
    panned.value = false;
  });
}

/** A key in tinykeys' notation. Characters that need Shift on some keyboards are taken as they come. */
function parse(key: string): ReturnType<typeof parseKeybinding> {
  if (/^[^\p{L}\p{N}]$/u.test(key)) return [[[], ['Shift', 'AltGraph'], key]];
  return parseKeybinding(key);
}
