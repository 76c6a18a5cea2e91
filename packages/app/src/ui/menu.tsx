import { autoUpdate, computePosition, flip, offset, shift, size } from '@floating-ui/dom';
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon, type IconName } from './icon.js';

export interface MenuItem {
  readonly label: string;
  readonly icon?: IconName;
  readonly danger?: boolean;
  readonly disabled?: boolean;
  readonly run: () => unknown;
}

/** A button that opens a menu: a native popover, placed beside the button. */
export function Menu({
  label,
  items,
  icon = 'more',
  children,
  data,
}: {
  label: string;
  items: readonly MenuItem[];
  icon?: IconName;
  children?: ComponentChildren;
  data?: Readonly<Record<string, string>>;
}) {
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    const shown = menu.current!;
    const anchor = button.current!;
    let stop = () => {};
    const place = () =>
      computePosition(anchor, shown, {
        strategy: 'fixed',
        placement: 'bottom-end',
        middleware: [
          offset(4),
          flip(),
          shift({ padding: 8 }),
          // What does not fit is scrolled.
          size({
            padding: 8,
            apply: ({ availableHeight }) => {
              shown.style.maxHeight = `${Math.floor(availableHeight)}px`;
            },
          }),
        ],
      }).then(({ x, y }) => {
        shown.style.left = `${x}px`;
        shown.style.top = `${y}px`;
      });
    const toggled = (event: Event) => {
      stop();
      if ((event as ToggleEvent).newState !== 'open') return;
      stop = autoUpdate(anchor, shown, () => void place());
      shown.querySelector<HTMLElement>('button:not(:disabled)')?.focus();
    };
    shown.addEventListener('toggle', toggled);
    return () => {
      stop();
      shown.removeEventListener('toggle', toggled);
    };
  }, []);
  const move = (event: KeyboardEvent) => {
    const all = [...menu.current!.querySelectorAll<HTMLElement>('button:not(:disabled)')];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length)?.focus();
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        class={`button quiet ${children === undefined ? 'icon-only' : ''}`}
        popovertarget={id}
        aria-haspopup="menu"
        aria-label={children === undefined ? label : undefined}
        title={label}
        {...data}
      >
        <Icon name={icon} />
        {children}
      </button>
      <div ref={menu} id={id} popover="auto" class="menu" role="menu" aria-label={label} onKeyDown={move}>
        {items.map(({ label: text, icon: picture, danger, disabled, run }) => (
          <button
            key={text}
            type="button"
            role="menuitem"
            class={danger ? 'danger' : ''}
            disabled={disabled}
            onClick={() => {
              menu.current?.hidePopover();
              run();
            }}
          >
            {picture && <Icon name={picture} />}
            {text}
          </button>
        ))}
      </div>
    </>
  );
}
