import type { ComponentChildren } from 'preact';
import { hint } from '../page/keys.js';
import { commandById } from '../state/commands.js';
import { Icon, type IconName } from './icon.js';

interface ButtonProps {
  readonly icon?: IconName;
  readonly label: string;
  /** Shown beside the icon; otherwise the label is a tooltip and what screen readers say. */
  readonly children?: ComponentChildren;
  readonly kind?: 'primary' | 'quiet' | 'danger' | 'plain';
  readonly pressed?: boolean;
  readonly disabled?: boolean;
  readonly onClick: (event: MouseEvent) => unknown;
  readonly data?: Readonly<Record<string, string>>;
}

/** A button with an icon, a text or both. */
export function Button({ icon, label, children, kind = 'plain', pressed, disabled, onClick, data }: ButtonProps) {
  const named = children === undefined;
  return (
    <button
      type="button"
      class={`button ${kind} ${named ? 'icon-only' : ''}`}
      aria-label={named ? label : undefined}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
      {...data}
    >
      {icon && <Icon name={icon} />}
      {children !== undefined && <span>{children}</span>}
    </button>
  );
}

/** A button for a command: its name and key come from the table. */
export function CommandButton({ id, ...rest }: { id: string } & Partial<ButtonProps>) {
  const command = commandById(id);
  const key = hint(command);
  const label = rest.label ?? command.label;
  return <Button onClick={() => command.run()} {...rest} label={key ? `${label} (${key})` : label} />;
}
