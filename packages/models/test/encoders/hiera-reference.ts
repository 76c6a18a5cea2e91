/** Hiera in float64 and plain loops, from its description (sam2, `modeling/backbones/hieradet.py`). */
import type { HieraConfig } from '../../src/encoders/hiera.js';

/** Tokens of a square, row by row. */
interface Grid {
  side: number;
  channels: number;
  data: Float64Array;
}

/** Values of a key, in PyTorch's layout. */
type Read = (key: string) => Float32Array;

const gridOf = (side: number, channels: number): Grid => ({
  side,
  channels,
  data: new Float64Array(side * side * channels),
});

function linear(x: Grid, weight: Float32Array, bias: Float32Array): Grid {
  const { side, channels } = x;
  const out = gridOf(side, bias.length);
  for (let t = 0; t < side * side; t++) {
    for (let o = 0; o < bias.length; o++) {
      let sum = bias[o]!;
      for (let i = 0; i < channels; i++) sum += weight[o * channels + i]! * x.data[t * channels + i]!;
      out.data[t * bias.length + o] = sum;
    }
  }
  return out;
}

function layerNorm(x: Grid, weight: Float32Array, bias: Float32Array): Grid {
  const { side, channels } = x;
  const out = gridOf(side, channels);
  for (let t = 0; t < side * side; t++) {
    const row = x.data.subarray(t * channels, (t + 1) * channels);
    const mean = row.reduce((a, b) => a + b, 0) / channels;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / channels;
    row.forEach((value, c) => {
      out.data[t * channels + c] = ((value - mean) / Math.sqrt(variance + 1e-6)) * weight[c]! + bias[c]!;
    });
  }
  return out;
}

function maxPool({ side, channels, data }: Grid): Grid {
  const out = gridOf(side / 2, channels);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < channels; c++) {
        const i = ((y >> 1) * out.side + (x >> 1)) * channels + c;
        const value = data[(y * side + x) * channels + c]!;
        out.data[i] = y % 2 === 0 && x % 2 === 0 ? value : Math.max(out.data[i]!, value);
      }
    }
  }
  return out;
}

const added = (a: Grid, b: Grid): Grid => ({ ...a, data: a.data.map((value, i) => value + b.data[i]!) });

/** The error function by its series, and by a continued fraction where that loses digits. */
function erf(x: number): number {
  if (Math.abs(x) > 2.5) {
    let fraction = 1;
    for (let n = 60; n > 0; n--) fraction = 1 + n / (2 * x * x) / fraction;
    return Math.sign(x) - Math.exp(-x * x) / (x * Math.sqrt(Math.PI) * fraction);
  }
  let [sum, term] = [x, x];
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gelu = (x: Grid): Grid => ({ ...x, data: x.data.map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))) });

/** Attention within windows of a square that zeros complete, queries pooled where the stage changes. */
function attend(
  y: Grid,
  window: number,
  heads: number,
  pools: boolean,
  weight: Float32Array,
  bias: Float32Array,
): Grid {
  const side = Math.ceil(y.side / window) * window;
  const own = linear(y, weight, bias);
  // Of zeros the projection leaves the bias.
  const qkv = gridOf(side, bias.length);
  for (let t = 0; t < side * side; t++) qkv.data.set(bias, t * bias.length);
  for (let row = 0; row < y.side; row++) {
    const line = own.data.subarray(row * y.side * bias.length, (row + 1) * y.side * bias.length);
    qkv.data.set(line, row * side * bias.length);
  }
  const outputs = bias.length / 3;
  const size = outputs / heads;
  const part = (first: number): Grid => ({
    side,
    channels: outputs,
    data: Float64Array.from({ length: side * side * outputs }, (_, i) => {
      return qkv.data[Math.floor(i / outputs) * 3 * outputs + first * outputs + (i % outputs)]!;
    }),
  });
  // Windows have an even side where queries are pooled.
  const [query, key, value] = [pools ? maxPool(part(0)) : part(0), part(1), part(2)];
  const scale = pools ? 2 : 1;
  const out = gridOf(query.side, outputs);
  for (let qy = 0; qy < query.side; qy++) {
    for (let qx = 0; qx < query.side; qx++) {
      const [top, left] = [qy, qx].map((at) => Math.floor((at * scale) / window) * window) as [number, number];
      const q = (qy * query.side + qx) * outputs;
      for (let h = 0; h < heads; h++) {
        const scores: number[] = [];
        for (let i = 0; i < window * window; i++) {
          const k = ((top + Math.floor(i / window)) * side + left + (i % window)) * outputs + h * size;
          let sum = 0;
          for (let c = 0; c < size; c++) sum += query.data[q + h * size + c]! * key.data[k + c]!;
          scores.push(sum / Math.sqrt(size));
        }
        const most = Math.max(...scores);
        const weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((a, b) => a + b, 0);
        for (let i = 0; i < window * window; i++) {
          const v = ((top + Math.floor(i / window)) * side + left + (i % window)) * outputs + h * size;
          for (let c = 0; c < size; c++) out.data[q + h * size + c]! += (weights[i]! / total) * value.data[v + c]!;
        }
      }
    }
  }
  const cropped = gridOf(y.side / scale, outputs);
  for (let row = 0; row < cropped.side; row++) {
    const start = row * query.side * outputs;
    cropped.data.set(out.data.subarray(start, start + cropped.side * outputs), row * cropped.side * outputs);
  }
  return cropped;
}

const cubic = (x: number): number => {
  const a = -0.75;
  const t = Math.abs(x);
  if (t < 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  return t < 2 ? a * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
};

/** Positions: those of the image enlarged by cubic interpolation, and those of a window of 8x8 repeated. */
function positions(read: Read, side: number, channels: number): Grid {
  const background = read('pos_embed');
  const from = Math.sqrt(background.length / channels);
  const window = read('pos_embed_window');
  const out = gridOf(side, channels);
  const clamp = (i: number) => Math.max(0, Math.min(from - 1, i));
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [sy, sx] = [y, x].map((at) => ((at + 0.5) * from) / side - 0.5) as [number, number];
      for (let c = 0; c < channels; c++) {
        let sum = window[c * 64 + (y % 8) * 8 + (x % 8)]!;
        for (let i = Math.floor(sy) - 1; i < Math.floor(sy) + 3; i++) {
          for (let j = Math.floor(sx) - 1; j < Math.floor(sx) + 3; j++) {
            sum += background[c * from * from + clamp(i) * from + clamp(j)]! * cubic(sy - i) * cubic(sx - j);
          }
        }
        out.data[(y * side + x) * channels + c] = sum;
      }
    }
  }
  return out;
}

/** Tokens of each stage. @param image [side, side, 3] */
export function hieraReference(config: HieraConfig, read: Read, image: Float32Array): Float64Array[] {
  const { imageSize, embed, stages, windows } = config;
  const side = imageSize / 4;
  const patches = gridOf(side, embed);
  const [kernel, shift] = [read('patch_embed.proj.weight'), read('patch_embed.proj.bias')];
  for (let t = 0; t < side * side; t++) {
    const [top, left] = [4 * Math.floor(t / side) - 3, 4 * (t % side) - 3];
    for (let o = 0; o < embed; o++) {
      let sum = shift[o]!;
      for (let k = 0; k < 147; k++) {
        const [c, y, x] = [Math.floor(k / 49), top + (Math.floor(k / 7) % 7), left + (k % 7)];
        const inside = y >= 0 && y < imageSize && x >= 0 && x < imageSize;
        if (inside) sum += kernel[o * 147 + k]! * image[(y * imageSize + x) * 3 + c]!;
      }
      patches.data[t * embed + o] = sum;
    }
  }
  let x = added(patches, positions(read, side, embed));
  let index = 0;
  return stages.map((depth, stage) => {
    for (let i = 0; i < depth; i++) {
      const get = (name: string) => read(`blocks.${index}.${name}`);
      const pair = (name: string) => [get(`${name}.weight`), get(`${name}.bias`)] as const;
      const pools = stage > 0 && i === 0;
      const window = config.global.includes(index) ? x.side : windows[pools ? stage - 1 : stage]!;
      const y = layerNorm(x, ...pair('norm1'));
      const skip = pools ? maxPool(linear(y, ...pair('proj'))) : x;
      const seen = attend(y, window, config.heads * 2 ** stage, pools, ...pair('attn.qkv'));
      const attended = added(skip, linear(seen, ...pair('attn.proj')));
      const hidden = gelu(linear(layerNorm(attended, ...pair('norm2')), ...pair('mlp.layers.0')));
      x = added(attended, linear(hidden, ...pair('mlp.layers.1')));
      index++;
    }
    return x.data;
  });
}
