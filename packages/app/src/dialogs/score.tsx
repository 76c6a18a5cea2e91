import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { saveAs } from '../state/files.js';
import { scores } from '../state/score.js';
import { theme } from '../state/settings.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

const percent = (value: number) => (100 * value).toFixed(1);

/** J and F over the frames of a sequence. */
function Curves({ index }: { index: number }) {
  const host = useRef<HTMLDivElement>(null);
  const sequence = scores.value?.sequences[index];
  useEffect(() => {
    if (!sequence) return undefined;
    const style = getComputedStyle(host.current!);
    const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const frames = sequence.frames.map((_, i) => i + 1);
    const mean = (measure: 'j' | 'f') =>
      frames.map(
        (_, i) => sequence.objects.reduce((sum, object) => sum + object[measure][i]!, 0) / sequence.objects.length,
      );
    const axis = {
      stroke: of('text-2'),
      grid: { stroke: of('line'), width: 1 },
      ticks: { stroke: of('line'), width: 1 },
    };
    const plot = new uPlot(
      {
        width: host.current!.clientWidth || 640,
        height: 220,
        scales: { x: { time: false }, y: { range: [0, 1] } },
        axes: [axis, axis],
        series: [
          { label: 'frame' },
          { label: 'J (region)', stroke: of('accent'), width: 2 },
          { label: 'F (contour)', stroke: of('warning'), width: 2, dash: [6, 4] },
        ],
      },
      [frames, mean('j'), mean('f')],
      host.current!,
    );
    return () => plot.destroy();
  }, [sequence, theme.value]);
  return <div ref={host} class="curves" role="img" aria-label={`J and F of ${sequence?.name} by frame`} />;
}

export default function ScoreDialog() {
  const [chosen, setChosen] = useState(0);
  const report = scores.value;
  if (!report) return <Dialog title="Scores">Drop a DAVIS folder to score it.</Dialog>;
  const rows = [...report.sequences, { ...report, name: 'mean of all objects', objects: [], frames: [] }];
  return (
    <Dialog
      title="Scores"
      wide
      footer={
        <Button
          icon="download"
          label="Save every frame's J and F of each object as JSON"
          onClick={() =>
            saveAs(new File([JSON.stringify(report, null, 1)], 'scores.json', { type: 'application/json' }))
          }
        >
          Save
        </Button>
      }
    >
      <table class="scores">
        <thead>
          <tr>
            <th scope="col">Sequence</th>
            {['J&F', 'J mean', 'J recall', 'J decay', 'F mean', 'F recall', 'F decay'].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, jf, j, f }, i) => (
            <tr key={name} class={i === chosen ? 'active' : ''}>
              <th scope="row">
                {i < report.sequences.length ? (
                  <button type="button" class="link" onClick={() => setChosen(i)}>
                    {name}
                  </button>
                ) : (
                  name
                )}
              </th>
              {[jf, j.mean, j.recall, j.decay, f.mean, f.recall, f.decay].map((value, column) => (
                <td key={column}>{percent(value)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      <Curves index={chosen} />
      <p class="muted">As the official DAVIS toolkit computes them: first and last frame left out, in per cent.</p>
    </Dialog>
  );
}
