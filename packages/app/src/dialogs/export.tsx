import { useState } from 'preact/hooks';
import type { Exported } from '../protocol.js';
import { saveFormats } from '../state/actions.js';
import { attempt, engine } from '../state/engine.js';
import { saveAs, sizeOf } from '../state/files.js';
import { staleFrames } from '../state/spans.js';
import { exporting, isTracked, lanesVersion, objects, project, range } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { Icon } from '../ui/icon.js';

/** What the pipeline exports, by what people want it for. */
const GROUPS = [
  [
    'Masks',
    [
      ['zip', 'PNG masks', 'a label picture for each frame, in one archive'],
      ['davis', 'DAVIS', 'the same as a folder of results'],
      ['png16', '16-bit PNG', 'grey, for more than 255 objects'],
      ['new-objects', 'New objects', 'each where it is seen first'],
    ],
  ],
  [
    'Data sets',
    [
      ['coco', 'COCO', 'instances with run lengths'],
      ['youtube-vos', 'YouTube-VOS', 'annotations and meta.json'],
      ['youtube-vis', 'YouTube-VIS', 'an annotation an object'],
      ['mots', 'MOTS', 'text'],
      ['csv', 'Boxes', 'a table'],
    ],
  ],
  [
    'Video and pictures',
    [
      ['overlay', 'Overlay', 'MP4 with the sound'],
      ['cutout', 'Cut-out', 'WebM, the rest transparent'],
      ['gif', 'GIF', 'the overlay, reduced'],
      ['frames', 'Frames', 'the overlay as pictures'],
      ['cutout-png', 'Cut-out pictures', 'PNG, transparent'],
    ],
  ],
] as const;

type Palette = 'voc' | 'davis' | 'samtrack';

/** What is odd about the range, before it goes out. */
function warningsOf(first: number, last: number): string[] {
  lanesVersion.value;
  const warnings: string[] = [];
  let missing = 0;
  for (let frame = first; frame <= last; frame++) if (!isTracked(frame)) missing++;
  if (missing > 0) warnings.push(`${missing} of ${last - first + 1} frames have no masks yet, and are left out.`);
  const old = project.value ? staleFrames(project.value.stale, first, last) : 0;
  if (old > 0) warnings.push(`${old} frames are older than your newest change.`);
  return warnings;
}

export default function ExportDialog() {
  const [formats, setFormats] = useState<readonly string[]>(['zip']);
  const [palette, setPalette] = useState<Palette>('voc');
  const [ready, setReady] = useState<Exported | undefined>(undefined);
  const [first, last] = range.value;
  const progress = exporting.value;
  const toggle = (format: string) => {
    setReady(undefined);
    setFormats((now) => (now.includes(format) ? now.filter((one) => one !== format) : [...now, format]));
  };
  const write = async () => {
    setReady(undefined);
    setReady(await saveFormats(formats, palette));
  };
  const writeProject = async () => {
    const file = await attempt(() => engine().exportProject());
    if (file) await saveAs(file);
  };
  return (
    <Dialog
      title="Export"
      wide
      onClose={() => progress && engine().cancelExport()}
      footer={
        progress ? (
          <>
            <progress max={progress.total} value={progress.done} aria-label="Exported" />
            <span class="figures">
              {progress.done} of {progress.total} frames
            </span>
            <Button label="Cancel" onClick={() => engine().cancelExport()}>
              Cancel
            </Button>
          </>
        ) : (
          <>
            {ready && (
              <span class="done" role="status">
                <Icon name="check" />
                {ready.file.name}, {sizeOf(ready.file.size)}, {ready.frames} frames
              </span>
            )}
            <Button label="The project, to go on with elsewhere" icon="folder" onClick={writeProject}>
              Project
            </Button>
            <Button
              kind="primary"
              icon="download"
              label="Save"
              disabled={formats.length === 0 || objects.value.length === 0}
              onClick={write}
              data={{ 'data-save': '' }}
            >
              {ready ? 'Save again' : 'Save'}
            </Button>
          </>
        )
      }
    >
      <div class="formats">
        {GROUPS.map(([title, group]) => (
          <fieldset key={title}>
            <legend>{title}</legend>
            {group.map(([format, name, what]) => (
              <label key={format} class="format">
                <input type="checkbox" checked={formats.includes(format)} onChange={() => toggle(format)} />
                <span>
                  <strong>{name}</strong>
                  <span>{what}</span>
                </span>
              </label>
            ))}
          </fieldset>
        ))}
      </div>
      <div class="row">
        <span class="muted">
          Frames {first} to {last}, {objects.value.length} object{objects.value.length === 1 ? '' : 's'}
        </span>
        <label class="row push">
          <span>Colours of PNGs</span>
          <select class="field" value={palette} onChange={(event) => setPalette(event.currentTarget.value as Palette)}>
            <option value="voc">PASCAL VOC</option>
            <option value="davis">DAVIS</option>
            <option value="samtrack">bright</option>
          </select>
        </label>
      </div>
      {objects.value.length > 0 &&
        warningsOf(first, last).map((warning) => (
          <p key={warning} class="warned">
            <Icon name="warning" />
            {warning}
          </p>
        ))}
      {objects.value.length === 0 && (
        <p class="warned">
          <Icon name="warning" />
          There are no objects yet.
        </p>
      )}
    </Dialog>
  );
}
