import { fileOpen } from 'browser-fs-access';
import { useEffect, useState } from 'preact/hooks';
import type { ModelRole, StoredModel } from '../protocol.js';
import { report } from '../state/engine.js';
import { sizeOf } from '../state/files.js';
import {
  type CatalogEntry,
  catalog,
  discard,
  downloads,
  importModel,
  pause,
  pull,
  refreshModels,
  removeModel,
  rolesOf,
  stored,
  urlOf,
  use,
} from '../state/models.js';
import { settings } from '../state/settings.js';
import { capabilities } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { Icon } from '../ui/icon.js';

const ROLES: readonly (readonly [ModelRole, string, string])[] = [
  ['segmenter', 'Segmenter', 'turns clicks, boxes and strokes into masks'],
  ['tracker', 'Tracker', 'follows objects through the video'],
  ['detector', 'Text', 'finds what you name'],
];

/** What comes with the page. */
const BUILT_IN: Readonly<Record<ModelRole, { title: string; size: string }>> = {
  tracker: { title: 'DeAOT-T', size: '14.6 MB' },
  segmenter: { title: 'SAMTrack small', size: '2.8 MB' },
  detector: { title: '', size: '' },
};

async function chooseModel(): Promise<void> {
  try {
    await importModel(
      await fileOpen({
        extensions: ['.pth', '.pt', '.safetensors'],
        mimeTypes: ['application/octet-stream'],
        description: 'Checkpoints',
      }),
    );
  } catch (error) {
    if ((error as Error).name !== 'AbortError') report(error);
  }
}

function Download({ entry, role }: { entry: CatalogEntry; role: ModelRole }) {
  const state = downloads.value.get(entry.file);
  const [asked, setAsked] = useState(false);
  const url = urlOf(entry);
  if (state && state.state !== 'stopped') {
    const total = state.total ?? entry.size;
    return (
      <div class="download">
        <progress max={total ?? 1} value={total ? state.got : undefined} aria-label={`${entry.title}, downloaded`} />
        <span class="figures">
          {{ loading: '', checking: 'checking ', storing: 'storing ' }[state.state]}
          {sizeOf(state.got)}
          {total && ` of ${sizeOf(total)}`} from {state.host}
        </span>
        <Button icon="pause" kind="quiet" label={`Pause ${entry.title}`} onClick={() => pause(entry.file)} />
      </div>
    );
  }
  if (!url) {
    return (
      <a
        class="button quiet"
        href={entry.page}
        target="_blank"
        rel="noreferrer noopener"
        title="Its publisher does not let pages download it: get the file there, and drop it here"
      >
        <Icon name="link" />
        <span>Publisher's page</span>
      </a>
    );
  }
  if (state?.state === 'stopped') {
    return (
      <div class="download">
        {state.problem && (
          <span class="warned">
            <Icon name="warning" />
            {state.problem}
          </span>
        )}
        <Button label={`Go on with ${entry.title}`} onClick={() => pull(entry, role)}>
          {state.got > 0 ? `Go on at ${sizeOf(state.got)}` : 'Try again'}
        </Button>
        <Button
          icon="trash"
          kind="quiet"
          label={`Discard the part of ${entry.title}`}
          onClick={() => discard(entry.file)}
        />
      </div>
    );
  }
  if (asked) {
    return (
      <div class="download">
        <span class="muted">from {new URL(url).host}</span>
        <Button kind="primary" icon="download" label={`Download ${entry.title} now`} onClick={() => pull(entry, role)}>
          Download {entry.size ? sizeOf(entry.size) : ''}
        </Button>
        <Button kind="quiet" label="Not now" onClick={() => setAsked(false)}>
          Not now
        </Button>
      </div>
    );
  }
  return (
    <Button icon="download" label={`Get ${entry.title}`} onClick={() => setAsked(true)}>
      Get
    </Button>
  );
}

function ModelRow({
  title,
  detail,
  inUse,
  children,
}: {
  title: string;
  detail: string;
  inUse: boolean;
  children?: preact.ComponentChildren;
}) {
  return (
    <li class={`model ${inUse ? 'in-use' : ''}`}>
      <div class="model-text">
        <strong>
          {title}
          {inUse && (
            <span class="tag">
              <Icon name="check" />
              in use
            </span>
          )}
        </strong>
        <span>{detail}</span>
      </div>
      {children}
    </li>
  );
}

function Stored({ model, role, inUse }: { model: StoredModel; role: ModelRole; inUse: boolean }) {
  return (
    <ModelRow
      title={model.title}
      detail={`${model.file} · ${sizeOf(model.bytes)}${model.float16 ? ' as float16' : ''} · on this device`}
      inUse={inUse}
    >
      <div class="download">
        {!inUse && (
          <Button label={`Use ${model.file} as the ${role}`} onClick={() => use(role, model)}>
            Use
          </Button>
        )}
        <Button
          icon="trash"
          kind="quiet"
          label={`Delete ${model.file} (${sizeOf(model.bytes)})`}
          onClick={() => confirm(`Delete ${model.file} from this browser?`) && removeModel(model)}
        />
      </div>
    </ModelRow>
  );
}

export default function ModelsDialog() {
  useEffect(() => void refreshModels(), []);
  const [storage, setStorage] = useState<StorageEstimate | undefined>(undefined);
  useEffect(() => {
    void navigator.storage?.estimate().then(setStorage);
  }, [stored.value, downloads.value]);
  const toy = capabilities.value?.engine === 'toy';
  return (
    <Dialog
      title="Models"
      wide
      footer={
        <>
          <span class="muted push">
            {storage?.usage !== undefined && storage.quota
              ? `About ${sizeOf(storage.usage)} of ${sizeOf(storage.quota)} of this site's storage is used`
              : ''}
          </span>
          <Button icon="folder" label="Take a checkpoint from a file: .pth or .safetensors" onClick={chooseModel}>
            From a file
          </Button>
        </>
      }
    >
      {ROLES.map(([role, name, what]) => {
        const chosen = settings.value.models.find((choice) => choice.role === role)?.file;
        const here = stored.value.filter(({ roles }) => roles.includes(role));
        const entries = catalog.filter(
          (entry) =>
            rolesOf(entry).includes(role) && !here.some(({ file, madeFrom = file }) => madeFrom === entry.file),
        );
        return (
          <section key={role} class="models">
            <h3>
              {name} <span class="muted">{what}</span>
            </h3>
            <ul>
              {(role !== 'detector' || toy) && (
                <ModelRow
                  title={toy ? 'Toy engine' : BUILT_IN[role].title}
                  detail={
                    toy
                      ? 'for tests: by colour'
                      : `comes with the page · ${BUILT_IN[role].size} · Apache-2.0, trained for SAMTrack`
                  }
                  inUse={!chosen}
                >
                  {chosen && (
                    <Button label="Use what comes with the page" onClick={() => use(role, undefined)}>
                      Use
                    </Button>
                  )}
                </ModelRow>
              )}
              {here.map((model) => (
                <Stored key={model.file} model={model} role={role} inUse={chosen === model.file} />
              ))}
              {entries.map((entry) => (
                <ModelRow
                  key={entry.id}
                  title={entry.title}
                  detail={`${entry.size ? sizeOf(entry.size) : 'size not published'} · ${entry.licence} · ${entry.encoder}`}
                  inUse={false}
                >
                  <Download entry={entry} role={role} />
                </ModelRow>
              ))}
            </ul>
          </section>
        );
      })}
    </Dialog>
  );
}
