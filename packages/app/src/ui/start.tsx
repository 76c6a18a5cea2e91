import { useEffect, useMemo, useState } from 'preact/hooks';
import type { StoredProject } from '../protocol.js';
import { forget, openDemo, refreshRecents, reopen } from '../state/actions.js';
import { sizeOf } from '../state/files.js';
import { chooseFile, chooseFolder } from '../state/pickers.js';
import { capabilities, dialog, recents } from '../state/view.js';
import { Button } from './button.js';
import { Icon } from './icon.js';

const AGO: readonly (readonly [seconds: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
];

function ago(then: number): string {
  const seconds = (then - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
  for (const [length, unit] of AGO) {
    if (Math.abs(seconds) >= length) return format.format(Math.round(seconds / length), unit);
  }
  return 'just now';
}

function Recent({ project }: { project: StoredProject }) {
  const { id, name, frameCount, objects, changed, bytes, thumb, running } = project;
  const picture = useMemo(() => thumb && URL.createObjectURL(thumb), [thumb]);
  const count = `${objects} object${objects === 1 ? '' : 's'}`;
  return (
    <li class="recent">
      <button type="button" class="recent-open" onClick={() => reopen(id)}>
        {picture ? (
          <img src={picture} alt="" onLoad={() => URL.revokeObjectURL(picture)} />
        ) : (
          <span class="no-picture" />
        )}
        <span class="recent-text">
          <strong>{name}</strong>
          <span>
            {frameCount} frames · {count} · {ago(changed)}
          </span>
          {running && (
            <span class="warned">
              <Icon name="warning" />
              Run stopped at frame {running.frame}
            </span>
          )}
        </span>
      </button>
      <Button
        icon="trash"
        kind="quiet"
        label={`Delete ${name} (${sizeOf(bytes)})`}
        onClick={() => {
          if (confirm(`Delete the project “${name}” and its ${sizeOf(bytes)} from this browser?`)) void forget(id);
        }}
      />
    </li>
  );
}

const WHY_NO_GPU: Readonly<Record<string, { title: string; text: string }>> = {
  missing: {
    title: 'This browser offers no WebGPU',
    text: 'Chrome and Edge have it from version 113, Safari from 26, Firefox from 141 on Windows.',
  },
  'no-adapter': {
    title: 'This browser finds no GPU',
    text: 'WebGPU is there, but no graphics adapter: the driver may be blocked or too old, or the browser has switched WebGPU off until all its windows are closed. chrome://gpu says which.',
  },
  chosen: {
    title: 'Without the GPU',
    text: 'The page was opened with engine=cpu.',
  },
  'switched off': {
    title: 'The engine is switched off',
    text: 'The page was opened with engine=none.',
  },
};

/** Why nothing can be tracked here, and what can be done all the same. */
export function NoGpu() {
  const { gpu, engine: kind } = capabilities.value ?? {};
  if (!gpu || gpu.ok) return null;
  const why = WHY_NO_GPU[gpu.reason] ?? { title: 'No WebGPU', text: gpu.reason };
  return (
    <section class="banner" aria-labelledby="no-gpu">
      <Icon name="warning" />
      <div>
        <h2 id="no-gpu">{why.title}</h2>
        <p>{why.text}</p>
        <p>
          {kind === 'cpu'
            ? 'Everything works all the same, on the processor: a frame then takes seconds. Small videos and short ranges are best.'
            : 'You can still open videos and projects, look at masks, paint and correct them by hand, and export.'}
        </p>
      </div>
      <Button
        label="Diagnostics"
        onClick={() => {
          dialog.value = 'diagnostics';
        }}
      >
        Diagnostics
      </Button>
    </section>
  );
}

/** The empty page. */
export function StartPage() {
  const [over, setOver] = useState(false);
  useEffect(() => void refreshRecents(), []);
  return (
    <main class="start">
      <div class="start-inner">
        <h1>Segment and track anything in a video</h1>
        <p class="lead">
          Click an object, follow it through the video, take its masks home. It all happens in this tab.
        </p>
        <NoGpu />
        <section
          class={`drop ${over ? 'over' : ''}`}
          aria-label="Open"
          onDragEnter={() => setOver(true)}
          onDragLeave={(event) => {
            if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
          }}
          onDrop={() => setOver(false)}
        >
          <span class="drop-picture">
            <Icon name="film" />
          </span>
          <p class="drop-title">Drop a video, images or a project here</p>
          <div class="drop-actions">
            <Button kind="primary" label="Choose a file" icon="folder" onClick={chooseFile}>
              Choose a file
            </Button>
            <Button label="Image folder" onClick={chooseFolder}>
              Image folder
            </Button>
            <Button
              label="Camera"
              icon="camera"
              onClick={() => {
                dialog.value = 'camera';
              }}
            >
              Camera
            </Button>
            <Button
              label="From a link"
              icon="link"
              onClick={() => {
                dialog.value = 'url';
              }}
            >
              Link
            </Button>
          </div>
          <p class="private">
            <Icon name="lock" />
            Nothing is uploaded: the video never leaves this device.
          </p>
        </section>
        <button type="button" class="demo" onClick={openDemo}>
          <img src="poster.jpg" alt="" width="160" height="89" />
          <span>
            <strong>Try the demo clip</strong>
            <span>Three moving things, 60 frames. Works right now.</span>
          </span>
          <Icon name="forward" />
        </button>
        {recents.value && recents.value.length > 0 && (
          <section class="recents" aria-labelledby="recents">
            <h2 id="recents">Go on with</h2>
            <ul>
              {recents.value.map((project) => (
                <Recent key={project.id} project={project} />
              ))}
            </ul>
          </section>
        )}
      </div>
    </main>
  );
}
