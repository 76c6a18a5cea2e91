import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { dialog } from '../state/view.js';
import { Button } from './button.js';

interface DialogProps {
  readonly title: string;
  readonly wide?: boolean;
  /** There is nothing in it but text, which has to be scrolled with keys. */
  readonly text?: boolean;
  readonly children: ComponentChildren;
  readonly footer?: ComponentChildren;
  readonly onClose?: () => void;
}

/** A native modal dialog: Escape closes it, and the focus goes back to where it was. */
export function Dialog({ title, wide, text, children, footer, onClose }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const name = useId();
  useEffect(() => {
    const shown = element.current!;
    const before = document.activeElement as HTMLElement | null;
    shown.showModal();
    // Not the button to close it, which comes first.
    (shown.querySelector<HTMLElement>('[data-first]') ?? shown).focus();
    return () => {
      shown.close();
      before?.focus();
    };
  }, []);
  const close = () => {
    onClose?.();
    dialog.value = undefined;
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does the same, see onCancel
    <dialog
      ref={element}
      tabIndex={-1}
      class={wide ? 'wide' : ''}
      aria-labelledby={name}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => {
        // Beside the dialog.
        if (event.target === element.current) close();
      }}
    >
      <div class="dialog-frame">
        <header>
          <h2 id={name}>{title}</h2>
          <Button icon="close" label="Close" kind="quiet" onClick={close} />
        </header>
        <div class="dialog-body" tabIndex={text ? 0 : undefined}>
          {children}
        </div>
        {footer && <footer>{footer}</footer>}
      </div>
    </dialog>
  );
}
