import { useEffect } from 'preact/hooks';
import { reopen, resume } from '../state/actions.js';
import { alarmed, announced, dialog, dismiss, project, type Toast, toasts } from '../state/view.js';
import { Button } from './button.js';
import { Icon } from './icon.js';

/** Time in which a notice can be read, in milliseconds; warnings and errors stay. */
const READ_MS = 8000;

const ACTIONS: Readonly<Record<NonNullable<Toast['action']>, { label: string; run: () => unknown }>> = {
  storage: { label: 'Free storage', run: () => (dialog.value = 'storage') },
  mask: { label: 'Read it otherwise', run: () => (dialog.value = 'mask') },
  models: { label: 'Open Models', run: () => (dialog.value = 'models') },
  resume: { label: 'Resume', run: resume },
  takeOver: {
    label: 'Take over',
    run: () => project.value && reopen(project.value.id, { takeOver: true }),
  },
};

function ToastCard({ id, kind, message, action }: Toast) {
  useEffect(() => {
    // How a mask is read can be changed in the inspector later, too.
    if (kind !== 'info' || (action && action !== 'mask')) return undefined;
    const timer = setTimeout(() => dismiss(id), READ_MS);
    return () => clearTimeout(timer);
  }, [id, kind, action]);
  const offered = action && ACTIONS[action];
  return (
    <li class={`toast ${kind}`}>
      <Icon name={kind === 'info' ? 'info' : 'warning'} />
      <p>{message}</p>
      {offered && (
        <Button
          label={offered.label}
          onClick={() => {
            dismiss(id);
            offered.run();
          }}
        >
          {offered.label}
        </Button>
      )}
      <Button icon="close" label="Dismiss" kind="quiet" onClick={() => dismiss(id)} />
    </li>
  );
}

/** Notices in passing, and the same for people who hear the page. */
export function Toasts() {
  return (
    <>
      <ul class="toasts" aria-label="Notices">
        {toasts.value.map((toast) => (
          <ToastCard key={toast.id} {...toast} />
        ))}
      </ul>
      <div class="unseen" aria-live="polite">
        {announced}
      </div>
      <div class="unseen" role="alert">
        {alarmed}
      </div>
    </>
  );
}
