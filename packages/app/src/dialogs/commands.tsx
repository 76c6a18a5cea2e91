import { useState } from 'preact/hooks';
import { keysOf, shown } from '../page/keys.js';
import { COMMANDS } from '../state/commands.js';
import { dialog, project } from '../state/view.js';
import { Dialog } from '../ui/dialog.js';

export default function CommandsDialog() {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const words = text.toLowerCase().split(/\s+/);
  const found = COMMANDS.filter(
    ({ id, label, group, scope }) =>
      id !== 'commands' &&
      (scope === 'global' || (scope === 'project' && project.value)) &&
      words.every((word) => `${group} ${label}`.toLowerCase().includes(word)),
  ).slice(0, 12);
  const run = (index: number) => {
    dialog.value = undefined;
    // After the focus has gone back to where it was.
    setTimeout(() => found[index]?.run());
  };
  return (
    <Dialog title="Search for a command">
      <input
        class="field"
        data-first=""
        value={text}
        aria-label="Command"
        role="combobox"
        aria-expanded="true"
        aria-controls="found-commands"
        aria-activedescendant={found[at] && `command-${found[at].id}`}
        placeholder="What would you like to do?"
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
          if (by) {
            event.preventDefault();
            setAt((at + by + found.length) % Math.max(1, found.length));
          } else if (event.key === 'Enter') run(at);
        }}
      />
      <div id="found-commands" class="found" role="listbox" aria-label="Commands">
        {found.map((command, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keys
          // biome-ignore lint/a11y/useFocusableInteractive: the field above has the focus
          <div
            key={command.id}
            id={`command-${command.id}`}
            role="option"
            aria-selected={i === at}
            onClick={() => run(i)}
          >
            <span class="muted">{command.group}</span>
            {command.label}
            <span class="push">
              {keysOf(command).map((key) => (
                <kbd key={key}>{shown(key)}</kbd>
              ))}
            </span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
