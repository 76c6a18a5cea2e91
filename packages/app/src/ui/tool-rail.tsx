import { hint } from '../page/keys.js';
import { choose } from '../state/actions.js';
import { commandById } from '../state/commands.js';
import { chooseMask } from '../state/pickers.js';
import { readOnly, source, TOOLS, tool } from '../state/view.js';
import { Button, CommandButton } from './button.js';
import { Icon } from './icon.js';

/** What a click on the video does. Arrows move through the tools, as through any group of choices. */
export function ToolRail() {
  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = TOOLS[(TOOLS.indexOf(tool.value) + by + TOOLS.length) % TOOLS.length]!;
    choose(next);
    document.querySelector<HTMLElement>(`[data-tool=${next}]`)?.focus();
  };
  return (
    <div class="tools" data-region="tools">
      <div role="radiogroup" aria-label="Tool" onKeyDown={move}>
        {TOOLS.map((name) => {
          const command = commandById(name);
          const key = hint(command);
          const label = key ? `${command.label} (${key})` : command.label;
          return (
            // biome-ignore lint/a11y/useSemanticElements: radio inputs cannot hold a picture
            <button
              key={name}
              type="button"
              role="radio"
              class="tool"
              data-tool={name}
              aria-checked={tool.value === name}
              tabIndex={tool.value === name ? 0 : -1}
              aria-label={label}
              title={label}
              onClick={() => choose(name)}
            >
              <Icon name={name} />
            </button>
          );
        })}
      </div>
      <hr />
      <CommandButton id="text" icon="text" kind="quiet" disabled={readOnly.value} />
      <CommandButton id="everything" icon="everything" kind="quiet" disabled={readOnly.value} />
      <Button
        icon="mask"
        kind="quiet"
        label="Open a mask for this frame"
        disabled={readOnly.value || !source.value}
        onClick={chooseMask}
      />
    </div>
  );
}
