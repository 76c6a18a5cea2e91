import { useState } from 'preact/hooks';
import { resume, seek, stop, track, undo } from '../state/actions.js';
import { clock } from '../state/files.js';
import { staleFrames } from '../state/spans.js';
import {
  activeView,
  complete,
  exporting,
  frameCount,
  isRunning,
  objects,
  playhead,
  playing,
  presented,
  project,
  run,
  source,
} from '../state/view.js';
import { Button, CommandButton } from '../ui/button.js';

/** How far a run is, and how to stop it. */
function Progress() {
  const status = run.value;
  if (status.state !== 'running' && status.state !== 'stopping') return null;
  if (status.state === 'stopping') {
    return (
      <div class="progress">
        <span>Stopping at the end of this frame …</span>
      </div>
    );
  }
  const { done, total, framesPerSecond, secondsLeft } = status;
  const speed =
    framesPerSecond === 0
      ? 'starting'
      : framesPerSecond >= 1
        ? `${framesPerSecond.toFixed(1)} fps`
        : `${(1 / framesPerSecond).toFixed(1)} s a frame`;
  return (
    <div class="progress">
      <progress max={total ?? 1} value={total ? done : undefined} aria-label="Tracked" />
      <span class="figures">
        {total ? `${done} of ${total}` : `${done} frames`} · {speed}
        {secondsLeft !== undefined && total && done < total && ` · ${clock(secondsLeft)} left`}
      </span>
      <Button icon="stop" kind="danger" label="Stop (Esc)" onClick={stop}>
        Stop
      </Button>
    </div>
  );
}

/** What most people want once everything is tracked. */
function TakeHome() {
  const progress = exporting.value;
  return (
    <div class="offer take-home" role="status">
      {progress ? (
        <progress max={progress.total} value={progress.done} aria-label="Exported" />
      ) : (
        <span>Every frame has its masks.</span>
      )}
      <CommandButton id="save-masks" icon="download" kind="primary" disabled={progress !== undefined}>
        Save masks
      </CommandButton>
    </div>
  );
}

/** What an edit asks for: tracking anew what it has made stale, or going on with a run. */
function Offer() {
  const status = run.value;
  const open = project.value;
  // Without objects there is nothing to go on with.
  if (!open || isRunning.value || objects.value.length === 0) return null;
  if (status.state === 'paused') {
    return (
      <div class="offer" role="status">
        <span>Paused for your change at frame {status.frame}.</span>
        <Button kind="primary" label="Resume (Ctrl+Enter)" icon="play" onClick={resume}>
          Resume
        </Button>
      </div>
    );
  }
  const count = staleFrames(open.stale);
  if (count === 0) return complete.value ? <TakeHome /> : null;
  const names = open.affected
    ? objects.value.filter(({ id }) => open.affected!.includes(id)).map(({ name }) => name)
    : [];
  const active = activeView.value;
  return (
    <div class="offer" role="status">
      <span>
        {count} frame{count === 1 ? ' is' : 's are'} older than your change
        {names.length > 0 && names.length < 4 && ` (${names.join(', ')})`}. They stay until they are tracked anew.
      </span>
      <Button kind="primary" label="Track them anew (Ctrl+Enter)" onClick={resume}>
        Re-track
      </Button>
      {!open.affected && active && objects.value.length > 1 && (
        <Button
          label={`Only ${active.name}; the others stay as they are`}
          onClick={() => track('forward', { objects: [active.id] })}
        >
          Only {active.name}
        </Button>
      )}
      <Button kind="quiet" label="Undo the change" onClick={undo}>
        Undo
      </Button>
    </div>
  );
}

/** The shown frame's number, to be typed over. */
function FrameField({ last }: { last: number }) {
  // What is being typed stays, however far a run or the video goes meanwhile.
  const [typed, setTyped] = useState<string | undefined>(undefined);
  return (
    <label class="frame">
      <span class="unseen">Frame</span>
      <input
        class="field"
        type="number"
        min={0}
        max={last}
        value={typed ?? playhead.value}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onChange={({ currentTarget: { value } }) => {
          setTyped(undefined);
          if (value !== '') seek(Number(value));
        }}
        onBlur={() => setTyped(undefined)}
      />
      <span class="muted">/ {last}</span>
    </label>
  );
}

/** Where the video is, and what moves it. */
export function Transport() {
  const open = project.value;
  const none = objects.value.length === 0;
  const cannot = none || !open || open.readOnly;
  const last = Math.max(0, frameCount.value - 1);
  const live = source.value?.kind === 'live';
  return (
    <div class="transport">
      <div class="transport-left">
        <CommandButton id="first" icon="first" kind="quiet" />
        <CommandButton id="previous" icon="previous" kind="quiet" />
        <CommandButton id="play" icon={playing.value ? 'pause' : 'play'} disabled={isRunning.value || live} />
        <CommandButton id="next" icon="next" kind="quiet" />
        <CommandButton id="last" icon="last" kind="quiet" />
        <span class="time">{clock(presented.value.time)}</span>
        <FrameField last={last} />
      </div>
      {isRunning.value ? <Progress /> : <Offer />}
      {!isRunning.value && (
        <div class="transport-right">
          <CommandButton id="track-back" icon="backward" disabled={cannot || live} />
          <CommandButton id="track-both" icon="both" disabled={cannot || live} />
          <CommandButton
            id="track"
            icon="forward"
            kind={complete.value ? 'plain' : 'primary'}
            disabled={cannot}
            label={none ? 'Show an object first' : 'Track'}
          >
            Track
          </CommandButton>
        </div>
      )}
    </div>
  );
}
