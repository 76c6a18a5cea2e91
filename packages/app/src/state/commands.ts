import {
  choose,
  closeProject,
  dropPreview,
  eraseHere,
  give,
  goToAnchor,
  goToWorst,
  newObject,
  redo,
  removeLastPoint,
  removeObject,
  resume,
  saveFormats,
  seek,
  selectNext,
  selectObject,
  setMark,
  solo,
  step,
  stop,
  toggleHidden,
  togglePlay,
  track,
  trackBoth,
  undo,
  update,
} from './actions.js';
import { attempt, engine } from './engine.js';
import { saveAs } from './files.js';
import { chooseFile } from './pickers.js';
import { decide, reviewed } from './review.js';
import {
  activeObject,
  activeView,
  brushRadius,
  dialog,
  frameCount,
  inOut,
  inspectorTab,
  isRunning,
  keyboardCursor,
  objects,
  playhead,
  polarity,
  presented,
  project,
  source,
  tool,
} from './view.js';
import { fit, zoomBy, zoomTo } from './viewport.js';

export type Scope = 'global' | 'project' | 'review';

/** Something that can be asked for by key, by button and by name. */
export interface Command {
  readonly id: string;
  readonly label: string;
  readonly group: 'Video' | 'Tools' | 'Objects' | 'Tracking' | 'Review' | 'View' | 'Project';
  /** In tinykeys' notation, alternatives by commas; `$mod` is Ctrl, on a Mac Cmd. */
  readonly keys: readonly string[];
  readonly scope: Scope;
  readonly run: () => unknown;
}

const command = (
  group: Command['group'],
  id: string,
  label: string,
  keys: string,
  run: () => unknown,
  scope: Scope = 'project',
): Command => ({ group, id, label, keys: keys === '' ? [] : keys.split(' '), scope, run });

const tools = (
  [
    ['select', 'Select and pan', 'v'],
    ['point', 'Point', 'p'],
    ['box', 'Box', 'b'],
    ['stroke', 'Stroke', 's'],
    ['brush', 'Brush', 'd'],
    ['eraser', 'Eraser', 'e'],
    ['polygon', 'Polygon', 'g'],
  ] as const
).map(([name, label, key]) => command('Tools', name, label, key, () => choose(name)));

const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) =>
  command('Objects', `object-${number}`, `Object ${number}`, String(number), () =>
    selectObject(objects.value[number - 1]?.id),
  ),
);

const withActive = (work: (id: number) => unknown) => () => {
  if (activeObject.value !== undefined) work(activeObject.value);
};

/** Everything that has a key. One key means one thing in a scope; a test sees to that. */
export const COMMANDS: readonly Command[] = [
  command('Video', 'play', 'Play or pause', 'Space k', togglePlay),
  command('Video', 'next', 'Next frame', 'ArrowRight .', () => step(1)),
  command('Video', 'previous', 'Previous frame', 'ArrowLeft ,', () => step(-1)),
  command('Video', 'next-10', '10 frames on', 'Shift+ArrowRight', () => step(10)),
  command('Video', 'previous-10', '10 frames back', 'Shift+ArrowLeft', () => step(-10)),
  command('Video', 'first', 'First frame', 'Home', () => seek(0)),
  command('Video', 'last', 'Last frame', 'End', () => seek(frameCount.value - 1)),
  command('Video', 'next-anchor', 'Next frame with a prompt', 'PageDown', () => goToAnchor(1)),
  command('Video', 'previous-anchor', 'Previous frame with a prompt', 'PageUp', () => goToAnchor(-1)),
  command('Video', 'in', 'Set the in mark', 'i', () => setMark(0, playhead.value)),
  command('Video', 'out', 'Set the out mark', 'o', () => setMark(1, playhead.value)),
  command('Video', 'clear-marks', 'Clear in and out', 'Alt+x', () => {
    inOut.value = [undefined, undefined];
  }),
  command('Video', 'worst', 'Least certain frame', 'w', () => goToWorst(1)),
  command('Video', 'worst-back', 'Back to the one before', 'Shift+w', () => goToWorst(-1)),
  ...tools,
  command('Tools', 'swap', 'Swap plus and minus', 'x', () => {
    polarity.value = polarity.value === 1 ? 0 : 1;
  }),
  command('Tools', 'smaller', 'Smaller brush', '[', () => {
    brushRadius.value = Math.max(1, Math.round(brushRadius.value / 1.25));
  }),
  command('Tools', 'larger', 'Larger brush', ']', () => {
    brushRadius.value = Math.min(400, Math.max(brushRadius.value + 1, Math.round(brushRadius.value * 1.25)));
  }),
  command('Tools', 'remove-point', 'Remove the last point', 'Backspace', removeLastPoint),
  command('Tools', 'text', 'Find by text', 't', () => {
    dialog.value = 'text';
  }),
  command('Tools', 'everything', 'Segment everything here', 'Shift+a', () => give({ everything: true })),
  command('Tools', 'cursor', 'Keyboard cursor', 'q', () => {
    const { width = 2, height = 2 } = source.value ?? {};
    keyboardCursor.value = keyboardCursor.value ? undefined : [Math.floor(width / 2), Math.floor(height / 2)];
    document.querySelector<HTMLElement>('[data-region=stage]')?.focus();
  }),
  command('Objects', 'new', 'New object', 'n', newObject),
  ...numbers,
  command('Objects', 'object-next', 'Next object', 'Alt+ArrowDown', () => selectNext(1)),
  command('Objects', 'object-previous', 'Previous object', 'Alt+ArrowUp', () => selectNext(-1)),
  command('Objects', 'rename', 'Rename', 'F2', () =>
    document.querySelector<HTMLElement>('.object.active [data-rename]')?.click(),
  ),
  command(
    'Objects',
    'lock',
    'Lock or unlock',
    'l',
    withActive((id) => update(id, { locked: !activeView.value?.locked })),
  ),
  command('Objects', 'hide', 'Hide or show', 'h', withActive(toggleHidden)),
  command('Objects', 'solo', 'Show only this one', 'Shift+h', withActive(solo)),
  command('Objects', 'merge', 'Merge with …', 'm', () =>
    document.querySelector<HTMLElement>('.object.active [data-menu]')?.click(),
  ),
  command('Objects', 'erase-here', 'Take out of this frame', 'Delete', () => eraseHere()),
  command('Objects', 'delete', 'Delete the object', 'Shift+Delete', () => removeObject()),
  command('Tracking', 'track', 'Track forward', 'f', () => track('forward')),
  command('Tracking', 'track-back', 'Track backward', 'r', () => track('backward')),
  command('Tracking', 'track-both', 'Track both ways', 'Shift+f', trackBoth),
  command('Tracking', 'track-one', 'Track one frame', 'Alt+f', () => track('forward', { frames: 1 })),
  command('Tracking', 'track-one-back', 'Track one frame backward', 'Alt+r', () => track('backward', { frames: 1 })),
  command('Tracking', 'resume', 'Resume, or track what is stale', '$mod+Enter', resume),
  command('Tracking', 'pin', 'Keep this frame as a reference', 'c', () =>
    attempt(() => engine().reference(presented.value.frame)),
  ),
  command('Review', 'accept', 'Accept', 'a', () => decide('accept'), 'review'),
  command('Review', 'reject', 'Reject', 'Delete', () => decide('reject'), 'review'),
  command('Review', 'review-next', 'Next candidate', 'ArrowDown', () => reviewed(1), 'review'),
  command('Review', 'review-previous', 'Previous candidate', 'ArrowUp', () => reviewed(-1), 'review'),
  command('Review', 'review', 'Open the review', 'Shift+r', () => {
    inspectorTab.value = 'review';
  }),
  command('View', 'zoom-in', 'Zoom in', '+ =', () => zoomBy(1.25)),
  command('View', 'zoom-out', 'Zoom out', '-', () => zoomBy(0.8)),
  command('View', 'fit', 'Fit to the window', 'Shift+1 !', fit),
  command('View', 'actual', '100 percent', 'Shift+2 @', () => zoomTo(1)),
  command('Project', 'undo', 'Undo', '$mod+z', undo),
  command('Project', 'redo', 'Redo', '$mod+Shift+z $mod+y', redo),
  command('Project', 'open', 'Open a file', '$mod+o', chooseFile, 'global'),
  command('Project', 'save', 'Save a copy of the project', '$mod+s', async () => {
    const file = await attempt(() => engine().exportProject());
    if (file) await saveAs(file);
  }),
  command(
    'Project',
    'save-masks',
    'Save the masks as PNGs in one archive',
    'Shift+s',
    () => isRunning.value || saveFormats(['zip'], 'voc'),
  ),
  command('Project', 'export', 'Export', '$mod+Shift+e', () => {
    dialog.value = 'export';
  }),
  command('Project', 'close', 'Close the project', '', closeProject),
  command(
    'Project',
    'models',
    'Models',
    '',
    () => {
      dialog.value = 'models';
    },
    'global',
  ),
  command(
    'Project',
    'settings',
    'Settings',
    '$mod+,',
    () => {
      dialog.value = 'settings';
    },
    'global',
  ),
  command(
    'Project',
    'help',
    'Shortcuts and help',
    '?',
    () => {
      dialog.value = 'help';
    },
    'global',
  ),
  command(
    'Project',
    'diagnostics',
    'Diagnostics',
    '',
    () => {
      dialog.value = 'diagnostics';
    },
    'global',
  ),
  command(
    'Project',
    'commands',
    'Search for a command',
    '$mod+k',
    () => {
      dialog.value = 'commands';
    },
    'global',
  ),
];

export const commandById = (id: string): Command => {
  const found = COMMANDS.find((one) => one.id === id);
  if (!found) throw new RangeError(`there is no command ${id}`);
  return found;
};

/** What Escape leaves: one thing at a time, the newest first. */
export function leave(): boolean {
  if (isRunning.value) {
    void stop();
    return true;
  }
  if (keyboardCursor.value) {
    keyboardCursor.value = undefined;
    return true;
  }
  if (!project.value) return false;
  dropPreview();
  if (tool.value !== 'select') tool.value = 'select';
  return true;
}
