import { useState } from 'preact/hooks';
import type { MaskReadingName } from '../protocol.js';
import { importMask } from '../state/actions.js';
import { maskGiven, READINGS } from '../state/mask.js';
import { dialog } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

/** How a mask file is to be read, where the page has guessed, or could not. */
export default function MaskDialog() {
  const given = maskGiven.value;
  const [as, setAs] = useState<MaskReadingName | undefined>(given?.as);
  if (!given) return null;
  const read = () => {
    dialog.value = undefined;
    void importMask(given.file, { ...given, as });
  };
  return (
    <Dialog
      title={`Read ${given.file.name}`}
      footer={
        <Button kind="primary" label="Read it so" disabled={as === undefined || as === given.as} onClick={read}>
          Read it so
        </Button>
      }
    >
      <p class="muted">{given.said}</p>
      <fieldset class="formats">
        <legend class="unseen">How to read it</legend>
        {(Object.entries(READINGS) as [MaskReadingName, readonly [string, string]][]).map(([name, [label, what]]) => (
          <label key={name} class="format">
            <input type="radio" name="reading" checked={as === name} onChange={() => setAs(name)} />
            <span>
              <strong>{label}</strong>
              <span>{what}</span>
            </span>
          </label>
        ))}
      </fieldset>
    </Dialog>
  );
}
