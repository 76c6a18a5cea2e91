import { useState } from 'preact/hooks';
import { give } from '../state/actions.js';
import { dialog, tell } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

export default function TextDialog() {
  const [text, setText] = useState('');
  const [box, setBox] = useState(0.25);
  const [word, setWord] = useState(0.25);
  const classes = text
    .split(/[,.;]/)
    .map((name) => name.trim())
    .filter(Boolean);
  const find = async () => {
    dialog.value = undefined;
    const ids = await give({ classes, boxThreshold: box, textThreshold: word });
    if (ids.length > 0) tell({ kind: 'info', message: `${ids.length} found.` });
  };
  return (
    <Dialog
      title="Find by text"
      footer={
        <Button kind="primary" label="Find in this frame" disabled={classes.length === 0} onClick={find}>
          Find in this frame
        </Button>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (classes.length > 0) void find();
        }}
      >
        <label class="column">
          <span>What to look for; several kinds with commas</span>
          <input
            class="field"
            data-first=""
            value={text}
            placeholder="dog, person"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
      </form>
      {classes.length > 1 && <p class="muted">Each by itself: {classes.join(' · ')}</p>}
      <label class="row">
        <span>Least score of a box: {box.toFixed(2)}</span>
        <input
          type="range"
          min={0.05}
          max={0.9}
          step={0.05}
          value={box}
          onInput={(event) => setBox(Number(event.currentTarget.value))}
        />
      </label>
      <label class="row">
        <span>Least score of a word: {word.toFixed(2)}</span>
        <input
          type="range"
          min={0.05}
          max={0.9}
          step={0.05}
          value={word}
          onInput={(event) => setWord(Number(event.currentTarget.value))}
        />
      </label>
    </Dialog>
  );
}
