import { isLetter, keysOf, shown } from '../page/keys.js';
import { COMMANDS } from '../state/commands.js';
import { settings } from '../state/settings.js';
import { Dialog } from '../ui/dialog.js';

const BESIDE: readonly (readonly [string, string])[] = [
  ['Click', 'the object'],
  ['Right-click, Alt or Ctrl + click', 'not part of it'],
  ['Shift held', 'preview of a click'],
  ['Click on a point', 'takes it back'],
  ['Space held, or middle button', 'pan'],
  ['Wheel', 'zoom'],
  ['Ctrl + wheel on the timeline', 'zoom in time'],
  ['\\ held', 'the video without masks'],
  ['Esc', 'stops a run, drops a preview, leaves a tool'],
  ['F6', 'next part of the page'],
];

export default function HelpDialog() {
  const groups = [...new Set(COMMANDS.map(({ group }) => group))];
  return (
    <Dialog title="Shortcuts and help" wide text>
      <ol class="steps">
        <li>
          <strong>Show an object.</strong> Click it, draw a box around it, paint it, or name it.
        </li>
        <li>
          <strong>Track.</strong> The timeline fills as it goes. Click at any time: the run pauses, takes the click, and
          offers to go on.
        </li>
        <li>
          <strong>Correct.</strong> Go to the least certain frame (<kbd>W</kbd>), click what is wrong, re-track: only
          what the correction affects is computed anew.
        </li>
        <li>
          <strong>Export.</strong> Masks, data sets, videos with the objects cut out.
        </li>
      </ol>
      <div class="keys">
        <section>
          <h3>Pointer</h3>
          <dl>
            {BESIDE.map(([key, what]) => (
              <div key={key}>
                <dt>{key}</dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
        </section>
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {COMMANDS.filter((command) => command.group === group && !/^object-[2-9]$/.test(command.id)).map(
                (command) => (
                  <div key={command.id}>
                    <dt>
                      {keysOf(command)
                        .filter((key) => settings.value.letterKeys || !isLetter(key))
                        .map((key) => (
                          <kbd key={key}>{shown(key)}</kbd>
                        ))}
                    </dt>
                    <dd>{command.id === 'object-1' ? 'Objects 1 to 9, by number' : command.label}</dd>
                  </div>
                ),
              )}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
