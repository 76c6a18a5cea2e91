import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Stage } from '../stage/stage.js';
import { openFiles, reopen } from '../state/actions.js';
import { chooseSource, chooseSourceFolder } from '../state/pickers.js';
import { busy, capabilities, type DialogName, dialog, project, returning, takeOver } from '../state/view.js';
import { Timeline } from '../timeline/timeline.js';
import { Button } from './button.js';
import { Icon } from './icon.js';
import { Inspector } from './inspector.js';
import { NoGpu, StartPage } from './start.js';
import { StatusBar } from './status-bar.js';
import { Toasts } from './toasts.js';
import { ToolRail } from './tool-rail.js';
import { TopBar } from './top-bar.js';

/** Dialogs come with the first use. */
const DIALOGS: Readonly<Record<DialogName, () => Promise<{ default: ComponentType }>>> = {
  models: () => import('../dialogs/models.js'),
  export: () => import('../dialogs/export.js'),
  settings: () => import('../dialogs/settings.js'),
  help: () => import('../dialogs/help.js'),
  diagnostics: () => import('../dialogs/diagnostics.js'),
  score: () => import('../dialogs/score.js'),
  camera: () => import('../dialogs/camera.js'),
  url: () => import('../dialogs/url.js'),
  text: () => import('../dialogs/text.js'),
  mask: () => import('../dialogs/mask.js'),
  commands: () => import('../dialogs/commands.js'),
  storage: () => import('../dialogs/storage.js'),
};

function CurrentDialog() {
  const name = dialog.value;
  const [shown, setShown] = useState<{ name: DialogName; Body: ComponentType } | undefined>(undefined);
  useEffect(() => {
    let current = true;
    if (name) void DIALOGS[name]().then(({ default: Body }) => current && setShown({ name, Body }));
    else setShown(undefined);
    return () => {
      current = false;
    };
  }, [name]);
  return shown && shown.name === name ? <shown.Body key={name} /> : null;
}

/** Pages in place of everything else. */
function TakeOver() {
  const what = takeOver.value;
  if (!what) return null;
  const leave = () => {
    takeOver.value = undefined;
  };
  if (what.kind === 'source-needed') {
    return (
      <main class="take-over">
        <Icon name="film" />
        <h1>Choose “{what.name}” again</h1>
        <p>
          The project is here, its video is not: it was too large to copy, or copies are switched off. Choose the same
          file or image folder, or drop it; another one is refused.
        </p>
        <div class="drop-actions">
          <Button kind="primary" label="Choose the file" onClick={() => chooseSource(what.id)}>
            Choose the file
          </Button>
          <Button label="Image folder" onClick={() => chooseSourceFolder(what.id)}>
            Image folder
          </Button>
          <Button label="Back" onClick={leave}>
            Back
          </Button>
        </div>
      </main>
    );
  }
  if (what.kind === 'insecure') {
    return (
      <main class="take-over">
        <Icon name="lock" />
        <h1>This address is not secure</h1>
        <p>
          The page came over plain http from {location.hostname}. Browsers give storage and WebGPU only to pages over
          https, or from localhost: open it there.
        </p>
      </main>
    );
  }
  return (
    <main class="take-over">
      <Icon name="warning" />
      <h1>The GPU is gone</h1>
      <p>{what.message}</p>
      <p>
        Browsers switch WebGPU off after it has failed twice, until all their windows are closed. Every frame that was
        tracked is saved in this browser: close all of its windows, open it again, and go on where you are.
      </p>
      <div class="drop-actions">
        <Button
          kind="primary"
          label="Go on without the GPU, which is slower"
          onClick={() => {
            const address = new URL(location.href);
            address.searchParams.set('engine', 'cpu');
            location.assign(address);
          }}
        >
          Go on with the processor
        </Button>
        <Button label="Look at it and export" onClick={leave}>
          Look at it and export
        </Button>
        <Button label="Try again" onClick={() => location.reload()}>
          Try again
        </Button>
        <Button
          label="Diagnostics"
          onClick={() => {
            dialog.value = 'diagnostics';
          }}
        >
          Diagnostics
        </Button>
      </div>
    </main>
  );
}

function Workspace() {
  return (
    <>
      <NoGpu />
      <main class="workspace">
        <h1 class="unseen">{document.title}</h1>
        <ToolRail />
        <Stage />
        <Inspector />
        <Timeline />
      </main>
    </>
  );
}

/** Files may be dropped anywhere. */
function useDrops(): void {
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
    };
    const drop = async (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      const { fromEvent } = await import('file-selector');
      const files = (await fromEvent(event)).filter((file) => file instanceof File);
      const needed = takeOver.value;
      if (needed?.kind === 'source-needed') await reopen(needed.id, { files });
      else await openFiles(files);
    };
    window.addEventListener('dragover', over);
    window.addEventListener('drop', drop);
    return () => {
      window.removeEventListener('dragover', over);
      window.removeEventListener('drop', drop);
    };
  }, []);
}

export function App() {
  useDrops();
  const open = project.value !== undefined && !takeOver.value;
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <TopBar />
      <div id="content" class="content">
        {takeOver.value ? <TakeOver /> : open ? <Workspace /> : capabilities.value && !returning.value && <StartPage />}
        {!open && busy.value && (
          <p class="page-busy" role="status">
            <span class="spinner" />
            {busy.value}
          </p>
        )}
      </div>
      {open && <StatusBar />}
      <CurrentDialog />
      <Toasts />
    </>
  );
}
