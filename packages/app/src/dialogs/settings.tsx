import { useState } from 'preact/hooks';
import { isLetter, keysOf, shown } from '../page/keys.js';
import { COMMANDS, type Command } from '../state/commands.js';
import { attempt, engine } from '../state/engine.js';
import { sizeOf } from '../state/files.js';
import { change, type Settings, settings } from '../state/settings.js';
import { isRunning, project } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

const BUDGETS = [0, 200, 400, 600, 1000, 2000, 4000];

/** A key event in the table's notation. */
function noted(event: KeyboardEvent): string | undefined {
  if (['Shift', 'Control', 'Alt', 'Meta', 'Tab', 'Escape'].includes(event.key)) return undefined;
  const mac = /Mac|iP/.test(navigator.platform);
  const modifiers = [
    (mac ? event.metaKey : event.ctrlKey) && '$mod',
    event.altKey && 'Alt',
    event.shiftKey && (event.key.length > 1 || /\p{L}/u.test(event.key)) && 'Shift',
  ].filter(Boolean);
  const key = event.key === ' ' ? 'Space' : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return [...modifiers, key].join('+');
}

function Shortcut({ command }: { command: Command }) {
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState('');
  const keys = keysOf(command);
  const set = (key: string | undefined) => {
    const { [command.id]: _, ...others } = settings.value.keys;
    change({ keys: key === undefined ? others : { ...others, [command.id]: key } });
    setAsking(false);
  };
  const take = (event: KeyboardEvent) => {
    if (event.key === 'Tab') return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape') return setAsking(false);
    const key = noted(event);
    if (!key) return;
    const taken = COMMANDS.find(
      (other) => other.id !== command.id && other.scope === command.scope && keysOf(other).includes(key),
    );
    if (taken) setProblem(`${shown(key)} is “${taken.label}”`);
    else {
      setProblem('');
      set(key);
    }
  };
  return (
    <li>
      <span>{command.label}</span>
      {problem && <span class="warned">{problem}</span>}
      <button
        type="button"
        class={`button ${asking ? 'primary' : 'quiet'}`}
        onClick={() => setAsking(true)}
        onKeyDown={(event) => asking && take(event)}
        onBlur={() => setAsking(false)}
      >
        <span class="unseen">Key for {command.label}: </span>
        {asking ? 'Press a key' : keys.length > 0 ? keys.map((key) => <kbd key={key}>{shown(key)}</kbd>) : 'none'}
      </button>
      <Button
        icon="undo"
        kind="quiet"
        label={`The usual key for ${command.label}`}
        disabled={settings.value.keys[command.id] === undefined}
        onClick={() => set(undefined)}
      />
    </li>
  );
}

export default function SettingsDialog() {
  const { theme, letterKeys, memoryMB, keepCopy } = settings.value;
  const budget = (megabytes: number) => {
    change({ memoryMB: megabytes });
    if (project.value) void attempt(() => engine().budget(megabytes || undefined));
  };
  return (
    <Dialog title="Settings" wide>
      <section class="group">
        <h3>Appearance</h3>
        <div class="segments" role="radiogroup" aria-label="Theme">
          {(['system', 'dark', 'light'] as const satisfies readonly Settings['theme'][]).map((name) => (
            <label key={name}>
              <input type="radio" name="theme" checked={theme === name} onChange={() => change({ theme: name })} />
              <span>{{ system: 'As the system', dark: 'Dark', light: 'Light' }[name]}</span>
            </label>
          ))}
        </div>
      </section>
      <section class="group">
        <h3>Memory and storage</h3>
        <label class="row">
          <span>Most memory for a project</span>
          <select
            class="field"
            value={String(memoryMB)}
            disabled={isRunning.value}
            onChange={(event) => budget(Number(event.currentTarget.value))}
          >
            {BUDGETS.map((megabytes) => (
              <option key={megabytes} value={String(megabytes)}>
                {megabytes === 0 ? 'no promise' : sizeOf(megabytes * 1e6)}
              </option>
            ))}
          </select>
        </label>
        <label class="row">
          <input
            type="checkbox"
            checked={keepCopy}
            onChange={(event) => change({ keepCopy: event.currentTarget.checked })}
          />
          <span>Keep a copy of opened videos in this browser, so that a reload finds them</span>
        </label>
      </section>
      <section class="group">
        <h3>Keys</h3>
        <label class="row">
          <input
            type="checkbox"
            checked={letterKeys}
            onChange={(event) => change({ letterKeys: event.currentTarget.checked })}
          />
          <span>Single characters are shortcuts (off: for speech input)</span>
        </label>
        <ul class="shortcuts">
          {COMMANDS.filter((command) => letterKeys || !keysOf(command).every(isLetter)).map((command) => (
            <Shortcut key={command.id} command={command} />
          ))}
        </ul>
      </section>
    </Dialog>
  );
}
