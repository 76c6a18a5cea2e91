import { useState } from 'preact/hooks';
import type { ObjectView, Rgb } from '../protocol.js';
import { LANE } from '../protocol.js';
import { eraseHere, removeObject, seek, selectObject, solo, toggleHidden, track, update } from '../state/actions.js';
import { attempt, engine } from '../state/engine.js';
import { maskGiven } from '../state/mask.js';
import {
  activeObject,
  dialog,
  engineStatus,
  hidden,
  hoveredObject,
  lanes,
  lanesVersion,
  objects,
  presented,
  project,
  readOnly,
} from '../state/view.js';
import { Button, CommandButton } from './button.js';
import { Menu, type MenuItem } from './menu.js';

export const hexOf = (colour: Rgb) => `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`;

const rgbOf = (hex: string) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;

/** What is known of an object in the shown frame, in words. */
export function stateOf(id: number, frame: number): string {
  lanesVersion.value;
  const lane = lanes.get(id);
  const state = lane?.states[frame] ?? LANE.unknown;
  if (state === LANE.anchor) {
    const given = project.value?.annotations.find((at) => at.frame === frame && at.object === id);
    return given?.erased ? 'taken out of this frame' : 'shown in this frame';
  }
  if (state === LANE.tracked) return `tracked, ${Math.round((100 * lane!.confidence[frame]!) / 255)} % sure`;
  if (state === LANE.absent) return 'not in this frame';
  return 'not computed here';
}

function menuOf({ id, name, locked }: ObjectView, others: readonly ObjectView[]): MenuItem[] {
  const frame = presented.value.frame;
  return [
    { label: 'Take out of this frame', icon: 'eraser', disabled: locked, run: () => eraseHere(id) },
    {
      label: 'Track only this one',
      icon: 'forward',
      disabled: locked,
      run: () => track('forward', { objects: [id], from: frame }),
    },
    {
      label: 'Split into its pieces',
      icon: 'split',
      disabled: locked,
      run: () => attempt(() => engine().split(id, frame)),
    },
    ...others
      .filter((other) => other.id !== id)
      .map((other) => ({
        label: `Merge into ${other.name}`,
        icon: 'merge' as const,
        disabled: locked || other.locked,
        run: () => attempt(() => engine().merge([id], other.id)),
      })),
    { label: 'Show only this one', icon: 'eye', run: () => solo(id) },
    { label: `Delete ${name} everywhere`, icon: 'trash', danger: true, disabled: locked, run: () => removeObject(id) },
  ];
}

function enterField(field: HTMLInputElement | null): void {
  field?.focus();
  field?.select();
}

function ObjectRow({ object }: { object: ObjectView }) {
  const { id, name, colour, locked } = object;
  const [renaming, setRenaming] = useState(false);
  const active = activeObject.value === id;
  const isHidden = hidden.value.has(id);
  const finish = (value: string) => {
    setRenaming(false);
    if (value.trim() && value.trim() !== name) void update(id, { name: value.trim() });
  };
  return (
    <li
      class={`object ${active ? 'active' : ''} ${isHidden ? 'is-hidden' : ''}`}
      onMouseEnter={() => {
        hoveredObject.value = id;
      }}
      onMouseLeave={() => {
        hoveredObject.value = undefined;
      }}
    >
      <div class="object-colour">
        <input
          type="color"
          value={hexOf(colour)}
          aria-label={`Colour of ${name}`}
          disabled={locked || readOnly.value}
          onChange={(event) => update(id, { colour: rgbOf(event.currentTarget.value) })}
        />
        <span class="object-number" aria-hidden="true">
          {id}
        </span>
      </div>
      <div class="object-name">
        {renaming ? (
          <input
            class="field"
            // What is being typed stays, whatever is told of the object meanwhile.
            defaultValue={name}
            aria-label={`Name of object ${id}`}
            // It is there because the user asked to type in it.
            ref={enterField}
            onBlur={(event) => finish(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter') finish(event.currentTarget.value);
              if (event.key === 'Escape') setRenaming(false);
            }}
          />
        ) : (
          <button
            type="button"
            class="object-select"
            aria-pressed={active}
            title={name}
            onClick={() => selectObject(active ? undefined : id)}
            onDblClick={() => setRenaming(true)}
          >
            <strong>{name}</strong>
            <span>{stateOf(id, presented.value.frame)}</span>
          </button>
        )}
        <button
          type="button"
          data-rename=""
          class="unseen"
          tabIndex={-1}
          aria-hidden="true"
          onClick={() => setRenaming(true)}
        />
      </div>
      <div class="object-actions">
        <Button
          icon={isHidden ? 'eye-off' : 'eye'}
          kind="quiet"
          label={isHidden ? `Show ${name}` : `Hide ${name}`}
          pressed={isHidden}
          onClick={() => toggleHidden(id)}
        />
        <Button
          icon={locked ? 'lock' : 'unlock'}
          kind="quiet"
          label={locked ? `Unlock ${name}` : `Lock ${name}`}
          pressed={locked}
          disabled={readOnly.value}
          onClick={() => update(id, { locked: !locked })}
        />
        <Menu label={`More for ${name}`} items={menuOf(object, objects.value)} data={{ 'data-menu': '' }} />
      </div>
    </li>
  );
}

/** The points and box of the active object in the shown frame: everything that is on the video is here, too. */
function PromptList() {
  const frame = presented.value.frame;
  const annotation = project.value?.annotations.find((at) => at.frame === frame && at.object === activeObject.value);
  if (!annotation) return null;
  const { object, points, labels, box, erased } = annotation;
  const isMask = points.length === 0 && !box && !erased;
  const given = maskGiven.value;
  return (
    <section class="prompts" aria-label="Prompts in this frame">
      <h3>Shown in frame {frame}</h3>
      {(isMask || erased) && <p class="muted">{erased ? 'Taken out' : 'A painted or imported mask'}</p>}
      <ul>
        {box && (
          <li>
            <span class="sign">▭</span> box {box.map(Math.round).join(', ')}
          </li>
        )}
        {points.map(([x, y], i) => (
          <li key={i}>
            <span class={`sign ${labels[i] === 0 ? 'off' : 'on'}`}>{labels[i] === 0 ? '−' : '+'}</span>
            {Math.round(x)}, {Math.round(y)}
            <Button
              icon="close"
              kind="quiet"
              label={`Remove point ${i + 1}`}
              disabled={readOnly.value}
              onClick={() => attempt(() => engine().removePoint(frame, object, i))}
            />
          </li>
        ))}
      </ul>
      {isMask && given?.frame === frame && (
        <Button
          label={`Read ${given.file.name} otherwise`}
          kind="quiet"
          disabled={readOnly.value}
          onClick={() => {
            dialog.value = 'mask';
          }}
        >
          Read {given.file.name} otherwise
        </Button>
      )}
      <Button
        label="Take this prompt back"
        kind="quiet"
        disabled={readOnly.value}
        onClick={() => attempt(() => engine().clear(frame, object))}
      >
        Take this prompt back
      </Button>
    </section>
  );
}

export function ObjectsTab() {
  const list = objects.value;
  const loading = engineStatus.value.state === 'loading';
  return (
    <>
      {list.length === 0 ? (
        <div class="empty">
          <p>
            <strong>No objects yet</strong>
          </p>
          <p>
            Click an object in the video, draw a box around it, or paint it. <kbd>T</kbd> finds by text.
          </p>
          {loading && <p class="muted">The tracker is loading; you can click already.</p>}
        </div>
      ) : (
        <ul aria-label="Objects" class="objects">
          {list.map((object) => (
            <ObjectRow key={object.id} object={object} />
          ))}
        </ul>
      )}
      <div class="objects-actions">
        <CommandButton id="new" icon="plus" disabled={readOnly.value}>
          New object
        </CommandButton>
        <Button
          icon="text"
          label="Find by text"
          disabled={readOnly.value}
          onClick={() => {
            dialog.value = 'text';
          }}
        >
          By text
        </Button>
      </div>
      <PromptList />
      {project.value?.worst && (
        <button
          type="button"
          class="worst"
          onClick={() => {
            activeObject.value = project.value!.worst!.object;
            seek(project.value!.worst!.frame);
          }}
        >
          <strong>Least certain: frame {project.value.worst.frame}</strong>
          <span>
            {objects.value.find(({ id }) => id === project.value?.worst?.object)?.name}. A correction there tells most.
          </span>
        </button>
      )}
    </>
  );
}
