// Renders the demo clip and its exact masks: three cut-outs that move over a photograph under a moving camera.
//
//   node demo/render-clip.mjs [--material DIR]
//
// Needs a built checkout (`npm run setup`). The material comes from two packages through their own clients, `npm pack` and `pip download`,
// unless DIR already holds it. Nothing is random: the same material gives the same pictures and masks.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { unzipSync } from 'fflate';
import { encodeLabelPng, frameNumber, openOutputFolder, VideoWriter } from 'samtrack/io';
import sharp from 'sharp';

const WIDTH = 432;
const HEIGHT = 240;
const FRAMES = 60;
const FPS = 24;
/** Samples a pixel and axis: soft edges in the picture, and the share of an object in a pixel for the mask. */
const SAMPLES = 3;

const EMOJI = '@lobehub/fluent-emoji-3d@1.1.0';
const SKIMAGE = 'scikit-image==0.25.2';
const MATERIAL = {
  'coffee.png': 'cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7',
  '1f699.webp': 'fe9ef505318463e59568c274560a3ad2f3bcc61556d5d2e66d1460b08e7d0c6b',
  '1f422.webp': '2f1a98df413ab6e63e13319ba737ed38863ca8c19decdde352c3b4e23a5d3baf',
  '1f680.webp': '5800059e61b40bfcf279624f02cc2d76fbbaa008c18982cc143b8b096d7cf686',
};

/** Downloads the two packages and leaves the four files in `folder`. */
function fetchMaterial(folder) {
  const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  run('npm', 'pack', '--silent', EMOJI);
  run(
    'tar',
    'xzf',
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  );
  run('pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', SKIMAGE);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  const photo = 'skimage/data/coffee.png';
  const files = unzipSync(readFileSync(join(folder, wheel)), { filter: ({ name }) => name === photo });
  writeFileSync(join(folder, 'coffee.png'), files[photo]);
  for (const name of Object.keys(MATERIAL)) {
    if (name.endsWith('.webp')) writeFileSync(join(folder, name), readFileSync(join(folder, 'package/assets', name)));
  }
}

/** A picture as premultiplied RGBA floats, 0 to 1. */
async function load(folder, name) {
  const bytes = readFileSync(join(folder, name));
  const hash = createHash('sha256').update(bytes).digest('hex');
  if (hash !== MATERIAL[name]) throw new Error(`${name} has the checksum ${hash}, expected ${MATERIAL[name]}`);
  const { data, info } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixels = new Float32Array(data.length);
  for (let i = 0; i < data.length; i += 4) {
    const alpha = data[i + 3] / 255;
    for (let c = 0; c < 3; c++) pixels[i + c] = (data[i + c] / 255) * alpha;
    pixels[i + 3] = alpha;
  }
  return { width: info.width, height: info.height, pixels };
}

/** Halves a picture until it is at most twice as wide as it will be shown, so that bilinear reading does not alias. */
function shrinkFor({ width, height, pixels }, shown) {
  while (width > 2 * shown) {
    const [w, h] = [width >> 1, height >> 1];
    const half = new Float32Array(w * h * 4);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w * 4; x++) {
        const at = (2 * y * width + 2 * (x >> 2)) * 4 + (x & 3);
        half[y * w * 4 + x] = (pixels[at] + pixels[at + 4] + pixels[at + width * 4] + pixels[at + width * 4 + 4]) / 4;
      }
    }
    [width, height, pixels] = [w, h, half];
  }
  return { width, height, pixels };
}

/** Reads a picture at a fractional position, bilinear, transparent outside, into `out`. */
function read({ width, height, pixels }, x, y, out) {
  const x0 = Math.floor(x - 0.5);
  const y0 = Math.floor(y - 0.5);
  const fx = x - 0.5 - x0;
  const fy = y - 0.5 - y0;
  out.fill(0);
  for (let dy = 0; dy < 2; dy++) {
    for (let dx = 0; dx < 2; dx++) {
      if (x0 + dx < 0 || y0 + dy < 0 || x0 + dx >= width || y0 + dy >= height) continue;
      const weight = (dx ? fx : 1 - fx) * (dy ? fy : 1 - fy);
      const at = ((y0 + dy) * width + x0 + dx) * 4;
      for (let c = 0; c < 4; c++) out[c] += weight * pixels[at + c];
    }
  }
}

const wave = (t, period, phase = 0) => Math.sin(2 * Math.PI * (t / period + phase));
const mix = (a, b, t) => a + (b - a) * t;

/** Camera at time t (0 to 1): where in the photo the view's centre is, how much it is magnified, how far it is turned. */
const camera = (t) => ({
  x: mix(262, 338, t) + 6 * wave(t, 0.6),
  y: 200 + 12 * wave(t, 1.3, 0.1),
  zoom: mix(1.02, 1.14, t),
  angle: 0.025 * wave(t, 1.1),
});

/**
 * The objects from back to front; the id is the position, from 1. Centre and width in pixels of the frame, angle in radians.
 * The tortoise passes behind the car, whose roof never hides all of its shell; the rocket flies a bow over both and turns with it.
 */
const OBJECTS = [
  {
    file: '1f422.webp',
    shown: 120,
    pose: (t) => ({ x: mix(356, 92, t), y: 156 + 3 * wave(t, 0.21), width: 108, angle: 0.05 * wave(t, 0.21) }),
  },
  {
    file: '1f699.webp',
    shown: 140,
    pose: (t) => ({
      x: mix(88, 336, t ** 1.15),
      y: 182 + 2 * wave(t, 0.12),
      width: mix(98, 112, t),
      angle: -0.04 + 0.05 * wave(t, 0.5, 0.2),
      mirrored: true,
    }),
  },
  {
    file: '1f680.webp',
    shown: 90,
    pose: (t) => {
      const turn = Math.PI * mix(0.95, 0.12, t);
      return {
        x: 214 + 150 * Math.cos(turn),
        y: 128 - 86 * Math.sin(turn),
        width: mix(56, 84, (1 - Math.cos(2 * Math.PI * t)) / 2),
        // The sprite points up and to the right; it looks along the bow.
        angle: Math.PI * 0.75 - turn + 0.08 * wave(t, 0.4),
      };
    },
  },
];

/** One frame: picture and ids. A pixel belongs to what shows most in it. */
function render(index, photo, sprites) {
  const t = index / (FRAMES - 1);
  const view = camera(t);
  const [cos, sin] = [Math.cos(view.angle) / view.zoom, Math.sin(view.angle) / view.zoom];
  const poses = OBJECTS.map(({ pose }, i) => {
    const p = pose(t);
    const sprite = sprites[i];
    const scale = sprite.width / p.width;
    return { ...p, sprite, scale, cos: Math.cos(p.angle), sin: Math.sin(p.angle) };
  });
  const rgba = new Uint8Array(WIDTH * HEIGHT * 4);
  const ids = new Uint16Array(WIDTH * HEIGHT);
  const colour = new Float32Array(4);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const sum = [0, 0, 0];
      const shares = new Float32Array(OBJECTS.length + 1);
      for (let s = 0; s < SAMPLES * SAMPLES; s++) {
        const sx = x + ((s % SAMPLES) + 0.5) / SAMPLES;
        const sy = y + (Math.floor(s / SAMPLES) + 0.5) / SAMPLES;
        let through = 1;
        for (let i = poses.length - 1; i >= 0 && through > 0; i--) {
          const p = poses[i];
          const [dx, dy] = [sx - p.x, sy - p.y];
          const u = (p.cos * dx + p.sin * dy) * p.scale * (p.mirrored ? -1 : 1);
          const v = (-p.sin * dx + p.cos * dy) * p.scale;
          read(p.sprite, u + p.sprite.width / 2, v + p.sprite.height / 2, colour);
          for (let c = 0; c < 3; c++) sum[c] += through * colour[c];
          shares[i + 1] += through * colour[3];
          through *= 1 - colour[3];
        }
        const [dx, dy] = [sx - WIDTH / 2, sy - HEIGHT / 2];
        read(photo, view.x + cos * dx + sin * dy, view.y - sin * dx + cos * dy, colour);
        for (let c = 0; c < 3; c++) sum[c] += through * colour[c];
        shares[0] += through;
      }
      const at = y * WIDTH + x;
      for (let c = 0; c < 3; c++) rgba[at * 4 + c] = Math.round((255 * sum[c]) / SAMPLES ** 2);
      rgba[at * 4 + 3] = 255;
      ids[at] = shares.indexOf(Math.max(...shares));
    }
  }
  return { rgba, labels: { width: WIDTH, height: HEIGHT, data: ids } };
}

const { values } = parseArgs({ options: { material: { type: 'string' } } });
const material = values.material ?? join(tmpdir(), 'samtrack-demo-material');
if (!Object.keys(MATERIAL).every((name) => existsSync(join(material, name)))) {
  mkdirSync(material, { recursive: true });
  fetchMaterial(material);
}
const photo = await load(material, 'coffee.png');
const sprites = [];
for (const { file, shown } of OBJECTS) sprites.push(shrinkFor(await load(material, file), shown));

const folder = openOutputFolder(fileURLToPath(new URL('.', import.meta.url)));
const video = await VideoWriter.open(await folder.createFile('clip.mp4'), {
  label: 'clip.mp4',
  width: WIDTH,
  height: HEIGHT,
  quality: 'high',
});
for (let index = 0; index < FRAMES; index++) {
  const { rgba, labels } = render(index, photo, sprites);
  await video.add({ time: index / FPS, duration: 1 / FPS }, rgba);
  await folder.writeFile(`masks/${frameNumber(index)}.png`, encodeLabelPng(labels, { bits: 8 }));
  process.stderr.write(`\rframe ${index + 1} of ${FRAMES}`);
}
await video.finish();
process.stderr.write('\n');
