import { effect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { seek, selectObject, setMark } from '../state/actions.js';
import { engine, report } from '../state/engine.js';
import { clock } from '../state/files.js';
import { theme } from '../state/settings.js';
import {
  activeObject,
  frameCount,
  hidden,
  inOut,
  lanes,
  lanesVersion,
  objects,
  playhead,
  presented,
  project,
  run,
  source,
} from '../state/view.js';
import { hexOf, stateOf } from '../ui/objects.js';
import { drawLanes, LANE_HEIGHT, type LaneView, type TimelineColours } from './draw.js';
import { firstFrame, fitTime, laneWidth, perFrame, scrollTime, tickEvery, toFrame, toX, zoomTime } from './scale.js';
import { Transport } from './transport.js';

const RULER = 22;
const STRIP = 42;
/** How near to a mark the pointer takes hold of it, in CSS pixels. */
const GRIP = 6;

function coloursOf(element: Element): TimelineColours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    line: of('text-2'),
    faint: of('line'),
    danger: of('danger'),
    text: of('text'),
    active: of('active-row'),
  };
}

/** A canvas of the given size in CSS pixels, its unit a CSS pixel. */
function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const dpr = globalThis.devicePixelRatio;
  const [w, h] = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d')!;
  context.setTransform(dpr, 0, 0, dpr, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Draws at most once a screen refresh, whatever has changed. */
function redrawing(draw: () => void): () => void {
  let queued = false;
  return effect(() => {
    // Read here, so that the effect knows what it depends on.
    lanesVersion.value;
    project.value;
    activeObject.value;
    laneWidth.value;
    firstFrame.value;
    perFrame.value;
    theme.value;
    inOut.value;
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      draw();
    });
  });
}

/** Small pictures, fetched as they come into sight; kept by frame. */
class Filmstrip {
  readonly #pictures = new Map<number, ImageBitmap>();
  #asked = '';
  #fetching = false;

  constructor(private readonly onArrival: () => void) {}

  forget(): void {
    for (const picture of this.#pictures.values()) picture.close();
    this.#pictures.clear();
    this.#asked = '';
  }

  draw(context: CanvasRenderingContext2D, top: number, height: number): void {
    const video = source.value;
    if (!video || video.kind === 'live') return;
    const width = Math.max(24, (height * video.width) / video.height);
    const wanted: number[] = [];
    for (let x = 0; x < laneWidth.value; x += width) {
      const frame = toFrame(x + width / 2);
      const picture = this.#pictures.get(frame);
      if (picture) context.drawImage(picture, x, top, width - 1, height);
      else wanted.push(frame);
    }
    const missing = [...new Set(wanted)];
    if (missing.length > 0) void this.#fetch(missing, height);
  }

  async #fetch(frames: readonly number[], height: number): Promise<void> {
    const key = `${source.value?.name} ${frames.join()}`;
    if (this.#fetching || this.#asked === key) return;
    this.#asked = key;
    this.#fetching = true;
    try {
      // One by one, so that what the user does gets between them.
      for (const frame of frames) {
        if (run.value.state === 'running') {
          this.#asked = '';
          return;
        }
        const [picture] = await engine().filmstrip([frame], Math.round(height * globalThis.devicePixelRatio));
        if (!picture) return;
        this.#pictures.set(frame, picture);
        this.onArrival();
      }
    } catch (error) {
      report(error);
    } finally {
      this.#fetching = false;
    }
    // Others may have come into sight meanwhile.
    this.onArrival();
  }
}

function drawHead(context: CanvasRenderingContext2D, colours: TimelineColours, strip: Filmstrip): void {
  const width = laneWidth.value;
  const every = tickEvery(64);
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  for (let frame = Math.floor(firstFrame.value / every) * every; toX(frame) < width; frame += every) {
    const x = toX(frame);
    context.fillStyle = colours.faint;
    context.fillRect(x, 14, 1, RULER - 14);
    context.fillStyle = colours.line;
    context.fillText(String(frame), x + 4, 9);
  }
  strip.draw(context, RULER, STRIP);
  const [first, last] = inOut.value;
  if (first === undefined && last === undefined) return;
  const [left, right] = [toX(first ?? 0), toX((last ?? frameCount.value - 1) + 1)];
  context.fillStyle = 'rgb(10 12 16 / 60%)';
  context.fillRect(0, RULER, Math.max(0, left), STRIP);
  context.fillRect(right, RULER, Math.max(0, width - right), STRIP);
  context.fillStyle = colours.text;
  context.fillRect(left, 0, 2, RULER + STRIP);
  context.fillRect(right - 2, 0, 2, RULER + STRIP);
}

/** Ruler and filmstrip, the lanes of the objects, and the playhead over both. */
function Tracks() {
  const box = useRef<HTMLDivElement>(null);
  const head = useRef<HTMLCanvasElement>(null);
  const body = useRef<HTMLCanvasElement>(null);
  const line = useRef<HTMLDivElement>(null);
  const scroller = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const measure = new ResizeObserver(() => {
      // A page that is left is measured once more.
      if (box.current) laneWidth.value = Math.max(100, box.current.clientWidth);
    });
    measure.observe(box.current!);
    let video = source.value;
    const draw = () => {
      if (!box.current) return;
      if (source.value !== video) {
        strip.forget();
        video = source.value;
      }
      const colours = coloursOf(box.current);
      drawHead(prepare(head.current!, laneWidth.value, RULER + STRIP), colours, strip);
      const { scrollTop, clientHeight } = scroller.current!;
      const all = objects.value;
      const from = Math.floor(scrollTop / LANE_HEIGHT);
      const rows = Math.max(1, Math.min(all.length - from, Math.ceil(clientHeight / LANE_HEIGHT) + 1));
      const affected = project.value?.affected;
      const views = all.slice(from, from + rows).flatMap(({ id, colour, locked }): LaneView[] => {
        const data = lanes.get(id);
        const stale = !locked && (!affected || affected.includes(id));
        return data ? [{ data, colour, active: activeObject.value === id, stale }] : [];
      });
      const context = prepare(body.current!, laneWidth.value, rows * LANE_HEIGHT);
      body.current!.style.top = `${from * LANE_HEIGHT}px`;
      const stale = project.value ? [...project.value.stale.forward, ...project.value.stale.backward] : [];
      drawLanes(context, {
        lanes: views,
        stale,
        first: firstFrame.value,
        perFrame: perFrame.value,
        width: laneWidth.value,
        colours,
      });
    };
    const strip = new Filmstrip(draw);
    const stopDrawing = redrawing(draw);
    const stopHead = effect(() => {
      const x = toX(playhead.value) + Math.min(perFrame.value, 12) / 2;
      line.current!.style.transform = `translateX(${x}px)`;
    });
    scroller.current!.addEventListener('scroll', draw, { passive: true });
    const wheel = (event: WheelEvent) => {
      const { left } = box.current!.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoomTime(Math.exp(-event.deltaY * 0.005), event.clientX - left);
      } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
        event.preventDefault();
        scrollTime(event.deltaX || event.deltaY);
      }
    };
    box.current!.addEventListener('wheel', wheel, { passive: false });
    return () => {
      measure.disconnect();
      stopDrawing();
      stopHead();
      strip.forget();
    };
  }, []);

  /** The mark that is being dragged: in or out. */
  const held = useRef<0 | 1 | undefined>(undefined);
  const markAt = (x: number): 0 | 1 | undefined => {
    const [first, last] = inOut.value;
    if (last !== undefined && Math.abs(x - toX(last + 1)) <= GRIP) return 1;
    if (first !== undefined && Math.abs(x - toX(first)) <= GRIP) return 0;
    return undefined;
  };
  const scrub = (event: PointerEvent) => {
    const { left } = box.current!.getBoundingClientRect();
    const x = event.clientX - left;
    if (held.current === undefined) seek(toFrame(x));
    // A mark lies between two frames.
    else setMark(held.current, toFrame(x + (held.current ? -1 : 1) * (perFrame.value / 2)));
  };
  const pressed = (event: PointerEvent) => {
    if (event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const { top, left } = box.current!.getBoundingClientRect();
    const y = event.clientY - top - RULER - STRIP + scroller.current!.scrollTop;
    const row = y >= 0 ? objects.value[Math.floor(y / LANE_HEIGHT)] : undefined;
    if (row) selectObject(row.id);
    held.current = y < 0 ? markAt(event.clientX - left) : undefined;
    if (held.current === undefined) seek(toFrame(event.clientX - left));
  };
  const time = presented.value.time;
  const last = Math.max(0, frameCount.value - 1);
  const running = run.value.state === 'running' ? run.value.direction : undefined;
  return (
    <div class="tracks">
      <div class="lane-names" role="presentation">
        <div class="lane-head">
          <span>{objects.value.length > 0 ? 'Objects' : ''}</span>
        </div>
      </div>
      <div
        ref={box}
        class="lane-box"
        role="slider"
        tabIndex={0}
        aria-label="Frame"
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={playhead.value}
        aria-valuetext={`frame ${playhead.value} of ${last}, ${clock(time)}`}
        onKeyDown={(event) => {
          const by = { ArrowRight: 1, ArrowLeft: -1, ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
          const to = by ? playhead.value + by * (event.shiftKey ? 10 : 1) : { Home: 0, End: last }[event.key];
          if (to === undefined) return;
          event.preventDefault();
          seek(to);
        }}
        onPointerDown={pressed}
        onPointerMove={(event) => {
          const { left } = event.currentTarget.getBoundingClientRect();
          event.currentTarget.style.cursor = markAt(event.clientX - left) === undefined ? '' : 'ew-resize';
          if (event.buttons & 1) scrub(event);
        }}
        onDblClick={fitTime}
      >
        <canvas ref={head} class="lane-ruler" />
        <div ref={line} class="playhead" data-running={running} />
      </div>
      <div ref={scroller} class="lane-scroll">
        <ul
          class="lane-list"
          aria-label="Lanes"
          style={{ height: `${Math.max(1, objects.value.length) * LANE_HEIGHT}px` }}
        >
          {objects.value.map(({ id, name, colour }) => (
            <li
              key={id}
              class={`${activeObject.value === id ? 'active' : ''} ${hidden.value.has(id) ? 'is-hidden' : ''}`}
            >
              <button
                type="button"
                aria-pressed={activeObject.value === id}
                aria-label={`${name}, frame ${presented.value.frame}: ${stateOf(id, presented.value.frame)}`}
                onClick={() => selectObject(id)}
              >
                <span class="dot" style={{ background: hexOf(colour) }} />
                <span class="lane-name">{name}</span>
              </button>
            </li>
          ))}
        </ul>
        <div class="lane-canvas" onPointerDown={pressed} onPointerMove={(event) => event.buttons & 1 && scrub(event)}>
          <canvas ref={body} />
          {objects.value.length === 0 && <p class="muted lanes-empty">Each object gets a lane here.</p>}
        </div>
      </div>
    </div>
  );
}

export function Timeline() {
  return (
    <section class="timeline" data-region="timeline" aria-label="Timeline">
      <Transport />
      <Tracks />
    </section>
  );
}
