import { useEffect, useState } from 'preact/hooks';
import { forget, refreshRecents } from '../state/actions.js';
import { sizeOf } from '../state/files.js';
import { refreshModels, removeModel, stored } from '../state/models.js';
import { dialog, project, recents } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

export default function StorageDialog() {
  const [estimate, setEstimate] = useState<StorageEstimate | undefined>(undefined);
  useEffect(() => {
    void refreshModels();
    void refreshRecents();
  }, []);
  useEffect(() => {
    void navigator.storage?.estimate().then(setEstimate);
  }, [stored.value, recents.value]);
  const others = (recents.value ?? []).filter(({ id }) => id !== project.value?.id);
  return (
    <Dialog
      title="Storage"
      footer={
        <Button
          label="Export now"
          icon="export"
          onClick={() => {
            dialog.value = 'export';
          }}
        >
          Export now
        </Button>
      }
    >
      <p>
        {estimate?.quota
          ? `About ${sizeOf(estimate.usage ?? 0)} of ${sizeOf(estimate.quota)} is used. What was tracked is safe; to go on, free some.`
          : 'What was tracked is safe; to go on, free some storage.'}
      </p>
      <ul class="models">
        {stored.value.map((model) => (
          <li key={model.file} class="model">
            <div class="model-text">
              <strong>{model.title}</strong>
              <span>{sizeOf(model.bytes)}; can be downloaded again</span>
            </div>
            <Button icon="trash" label={`Delete ${model.file}`} onClick={() => removeModel(model)}>
              Delete
            </Button>
          </li>
        ))}
        {others.map((other) => (
          <li key={other.id} class="model">
            <div class="model-text">
              <strong>{other.name}</strong>
              <span>
                {sizeOf(other.bytes)}; {other.objects} objects
              </span>
            </div>
            <Button icon="trash" kind="danger" label={`Delete ${other.name}`} onClick={() => forget(other.id)}>
              Delete
            </Button>
          </li>
        ))}
      </ul>
      {stored.value.length + others.length === 0 && (
        <p class="muted">There is nothing else here that could be deleted.</p>
      )}
    </Dialog>
  );
}
