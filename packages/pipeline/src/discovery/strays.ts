import { emptyLabelMap, type LabelMap } from '../io/label-map.js';

/** A connected group of pixels of one id. */
interface Component {
  id: number;
  pixels: number[];
}

/** Connected groups of pixels of equal id, 8 neighbours each. */
function componentsOf({ width, height, data }: LabelMap): Component[] {
  const seen = new Uint8Array(data.length);
  const components: Component[] = [];
  for (let start = 0; start < data.length; start++) {
    const id = data[start]!;
    if (id === 0 || seen[start]) continue;
    const pixels = [start];
    seen[start] = 1;
    for (let i = 0; i < pixels.length; i++) {
      const x = pixels[i]! % width;
      const y = (pixels[i]! - x) / width;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          const next = ny * width + nx;
          if (seen[next] || data[next] !== id) continue;
          seen[next] = 1;
          pixels.push(next);
        }
      }
    }
    components.push({ id, pixels });
  }
  return components;
}

/** Which ids occur where, on a grid coarse enough that neighbours in it are near each other. */
class NeighbourGrid {
  private readonly cells = new Set<number>();
  readonly areas = new Map<number, number>();
  private readonly width: number;
  private readonly columns: number;

  constructor(
    { width, data }: LabelMap,
    private readonly cell: number,
  ) {
    this.width = width;
    this.columns = Math.ceil(width / cell) + 2;
    for (let i = 0; i < data.length; i++) {
      const id = data[i]!;
      if (id === 0) continue;
      this.areas.set(id, (this.areas.get(id) ?? 0) + 1);
      this.cells.add(this.key(i, 0, 0, id));
    }
  }

  /** Whether the id occurs in the pixel's cell or in one beside it. */
  isNear(at: number, id: number): boolean {
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) if (this.cells.has(this.key(at, dx, dy, id))) return true;
    }
    return false;
  }

  private key(at: number, dx: number, dy: number, id: number): number {
    const x = Math.floor((at % this.width) / this.cell) + 1 + dx;
    const y = Math.floor(at / this.width / this.cell) + 1 + dy;
    return (y * this.columns + x) * 65536 + id;
  }
}

/** Longest way of an object from one frame to the next, as a share of the frame's diagonal. */
const STEP = 0.04;
/** Least share of an object's last area that must still be where it was for another part to be a stray. */
const REMAINDER = 0.25;

/**
 * Tells pieces of a tracked object from things that the tracker took for it.
 *
 * A tracker knows only its objects: it may give one's id to something else that comes into view, which then counts as tracked, so that comparing
 * masks would never find it. A stray is a connected part of an object that appears far from where the object was one frame before, while the object
 * is still there. Parts that an occluder cuts off remain near; an object that comes back elsewhere as a whole is no stray either.
 */
export class StrayWatch {
  /** The tracked objects without strays, one frame before. */
  private trusted: LabelMap | undefined;

  /**
   * Strays of the frame after the one observed last.
   * @returns positions `y * width + x`, one list for each stray
   */
  strays(labels: LabelMap): number[][] {
    const { trusted } = this;
    if (!trusted || trusted.width !== labels.width || trusted.height !== labels.height) return [];
    const cell = Math.max(4, Math.ceil(STEP * Math.hypot(labels.width, labels.height)));
    const before = new NeighbourGrid(trusted, cell);
    const byId = new Map<number, { near: number; far: number[][] }>();
    for (const { id, pixels } of componentsOf(labels)) {
      let parts = byId.get(id);
      if (!parts) byId.set(id, (parts = { near: 0, far: [] }));
      if (pixels.some((at) => before.isNear(at, id))) parts.near += pixels.length;
      else parts.far.push(pixels);
    }
    const found: number[][] = [];
    for (const [id, { near, far }] of byId) {
      if (near > 0 && near >= REMAINDER * (before.areas.get(id) ?? 0)) found.push(...far);
    }
    return found;
  }

  /** Takes in a frame's masks; frames come in order. */
  observe(labels: LabelMap): void {
    this.trusted = withoutPixels(labels, this.strays(labels));
  }
}

/** A label map with some of its pixels made background. */
export function withoutPixels(labels: LabelMap, parts: readonly (readonly number[])[]): LabelMap {
  const { width, height } = labels;
  const map = emptyLabelMap(width, height);
  map.data.set(labels.data);
  for (const pixels of parts) for (const at of pixels) map.data[at] = 0;
  return map;
}
