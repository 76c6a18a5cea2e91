import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '@samtrack/models/checkpoint';
import { decode } from 'fast-png';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { deaotManifest } from '../../../models/test/fixtures/deaot/manifest.js';
import { openVideo, readMask } from '../../src/io/index.js';
import { nodeFiles } from '../../src/io/node/output-folder.js';
import { SamTrack } from '../../src/session/index.js';
import { makeVideo } from '../io/media.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeMask, pixel, writeFrames, writeMask } from '../tracking/scene.js';
import { samtrack } from './run.js';

const SIZE = { width: 64, height: 48 };
const COUNT = 8;
const folder = temporaryFolder();
const at = (...parts: string[]) => join(folder, ...parts);
const frames = at('frames');
const mask = at('mask.png');
const names = Array.from({ length: COUNT }, (_, i) => `0000${i}.png`);

/** `samtrack track` of the frames, with procedural weights, into a folder. */
const track = (out: string, ...more: string[]) => [
  'track',
  frames,
  '--mask',
  mask,
  '--weights',
  DEAOT_T_WEIGHTS,
  '--out',
  at(out),
  ...more,
];
/** The same without what takes time and is tested elsewhere. */
const trackMasks = (out: string, ...more: string[]) => track(out, '--no-overlay', '--no-coco', ...more);
const masksOf = (out: string) => readdirSync(at(out, 'masks')).sort();
const bytesOf = (out: string) => masksOf(out).map((name) => readFileSync(at(out, 'masks', name)));

beforeAll(() => {
  writeFrames(frames, COUNT, SIZE);
  writeMask(mask, makeMask(SIZE));
});

describe('samtrack track', () => {
  it('tracks by label propagation', async () => {
    const { status } = await samtrack(trackMasks('propagation', '--tracker', 'propagation'));
    expect(status).toBe(0);
    expect(masksOf('propagation')).toEqual(names);
    expect(JSON.parse(readFileSync(at('propagation', 'run.json'), 'utf8'))).toMatchObject({
      identity: { model: 'propagation' },
    });
  });

  it.each(['model', 'long-term-gap', 'memory-policy'])('says that --%s is not for label propagation', async (name) => {
    const { status, err } = await samtrack(track('wrong', '--tracker', 'propagation', `--${name}`, 'deaot-t'));
    expect(status).toBe(2);
    expect(err).toContain(`--${name} is for --tracker deaot`);
  });

  it('tracks an image folder and writes masks, video and JSON', async () => {
    const { status, out, err } = await samtrack(track('whole'));
    expect({ status, out: out.trim().split('\n') }).toEqual({
      status: 0,
      out: ['masks', 'coco.json', 'overlay.mp4', 'run.json'].map((name) => at('whole', name)),
    });
    expect(err).toMatch(/frames: 64x48, 8 frames, 2 objects; deaot-t on /);
    expect(err).toMatch(/^frame 8\/8, [\d.]+ fps, 0 s left, memory \d+ MB$/m);

    expect(masksOf('whole')).toEqual(names);
    const first = decode(readFileSync(at('whole', 'masks', '00000.png')));
    expect(first.palette?.slice(0, 2)).toEqual([
      [0, 0, 0],
      [128, 0, 0],
    ]);
    expect(await readMask(at('whole', 'masks', '00000.png'))).toEqual(makeMask(SIZE));
    for (const name of names) {
      const { width, height, data } = await readMask(at('whole', 'masks', name), { allowEmpty: true });
      expect({ width, height }).toEqual(SIZE);
      expect(Math.max(...data)).toBeLessThanOrEqual(2);
    }
    const coco = JSON.parse(readFileSync(at('whole', 'coco.json'), 'utf8'));
    expect(coco.images).toHaveLength(COUNT);
    const video = await openVideo(at('whole', 'overlay.mp4'));
    expect(video).toMatchObject({ ...SIZE, frameCount: COUNT });
    await video.close();
  });

  it('tracks a video, and names the masks by its frames', async () => {
    const video = at('clip.mp4');
    await makeVideo(video, { ...SIZE, times: [0, 1, 2, 3].map((i) => i / 25), audio: 'aac', pixel });
    const { status } = await samtrack([
      'track',
      video,
      '--mask',
      mask,
      '--weights',
      DEAOT_T_WEIGHTS,
      '--out',
      at('video'),
    ]);
    expect(status).toBe(0);
    expect(masksOf('video')).toEqual(names.slice(0, 4));
    const overlay = await openVideo(at('video', 'overlay.mp4'));
    expect(overlay).toMatchObject({ ...SIZE, frameCount: 4 });
    expect(overlay.audio).toBeDefined();
    await overlay.close();
  });

  it('keeps what is done at Ctrl-C, and goes on with --resume to the same masks', async () => {
    let pressed = false;
    const stopped = await samtrack(track('stopped'), (text) => {
      if (!pressed && text.startsWith('frame 4/')) pressed = process.emit('SIGINT');
    });
    expect(stopped.status).toBe(130);
    expect(stopped.err).toMatch(/stopped after [45] frames\. They are kept: add --resume/);
    const kept = masksOf('stopped');
    expect(kept.length).toBeGreaterThanOrEqual(4);
    expect(kept.length).toBeLessThan(COUNT);
    expect(existsSync(at('stopped', 'overlay.mp4'))).toBe(true);
    expect(readdirSync(at('stopped')).filter((name) => name.endsWith('.partial'))).toEqual([]);

    const again = await samtrack(track('stopped'));
    expect(again).toMatchObject({
      status: 1,
      err: expect.stringMatching(/holds \d masks of an earlier run; go on with it \(--resume\), replace/),
    });
    // Said before the engine is opened and the weights are read.
    expect(again.err).not.toMatch(/engine|loading/);
    expect(stopped.err).toMatch(/engine/);
    const other = await samtrack(track('stopped', '--resume', '--long-edge', '49'));
    expect(other).toMatchObject({ status: 1, err: expect.stringMatching(/longEdge was not given and is now 49/) });
    expect(other.err).not.toMatch(/engine|loading/);
    expect(masksOf('stopped')).toEqual(kept);

    expect(await samtrack(track('stopped', '--resume'))).toMatchObject({ status: 0 });
    expect(masksOf('stopped')).toEqual(names);
    expect(bytesOf('stopped')).toEqual(bytesOf('whole'));
    const video = await openVideo(at('stopped', 'overlay.mp4'));
    expect(video.frameCount).toBe(COUNT);
    await video.close();
  });

  it('replaces results with --overwrite, but not before the weights are good', async () => {
    const before = bytesOf('whole');
    const broken = await samtrack([...track('whole', '--overwrite'), '--weights', at('nosuch.pth')]);
    expect(broken).toMatchObject({ status: 1, err: expect.stringMatching(/nosuch\.pth/) });
    expect(bytesOf('whole')).toEqual(before);
    expect(await samtrack(trackMasks('whole', '--overwrite', '--from', '5', '--quiet'))).toMatchObject({
      status: 0,
      err: '',
    });
    expect(masksOf('whole')).toEqual(names.slice(5));
    expect(existsSync(at('whole', 'overlay.mp4'))).toBe(false);
  });

  it('names a corrupt image and keeps the frames before it', async () => {
    const damaged = at('damaged');
    mkdirSync(damaged);
    for (const name of names) copyFileSync(join(frames, name), join(damaged, name));
    writeFileSync(join(damaged, names[3]!), readFileSync(join(frames, names[3]!)).subarray(0, 200));
    const argv = ['track', damaged, '--mask', mask, '--weights', DEAOT_T_WEIGHTS, '--out', at('partly'), '--quiet'];
    const { status, err } = await samtrack(argv);
    expect(status).toBe(1);
    expect(err).toMatch(
      /^samtrack track: stopped after 3 frames\. They are kept: add --resume .*damaged\/00003\.png: frame 3: /,
    );
    expect(masksOf('partly')).toEqual(names.slice(0, 3));
    expect(JSON.parse(readFileSync(at('partly', 'coco.json'), 'utf8')).images).toHaveLength(3);
  });

  it('keeps the frames before the disk was full, and says so', async () => {
    const open = nodeFiles.open.bind(nodeFiles);
    let masks = 0;
    vi.spyOn(nodeFiles, 'open').mockImplementation(async (path, ...more) => {
      const handle = await open(path, ...more);
      if (String(path).includes('/masks/') && ++masks > 3) {
        handle.write = async () => {
          throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        };
      }
      return handle;
    });
    const { status, err } = await samtrack(trackMasks('full'));
    expect(status).toBe(1);
    expect(err).toMatch(/stopped after 3 frames\. They are kept: .*00003\.png: the disk is full/);
    expect(masksOf('full')).toEqual(names.slice(0, 3));
    vi.restoreAllMocks();
    expect(await samtrack(trackMasks('full', '--resume'))).toMatchObject({ status: 0 });
    expect(masksOf('full')).toEqual(names);
  });

  it('says when the output cannot be written, before models are loaded, and leaves nothing behind', async () => {
    writeFileSync(at('file'), '');
    const there = readdirSync(folder);
    for (const more of [
      ['--mask', mask, '--out', at('file', 'out')],
      ['--point', '10,10', '--out', at('file', 'out')],
      ['--point', '10,10', '--at', '3', '--out', at('file', 'out')],
      ['--point', '10,10', '--preview', '--out', at('file', 'out')],
      ['--mask', mask, '--out', at('fine'), '--project', at('file', 'x.samtrack')],
    ]) {
      // Weights that are not there would be named first, were models loaded first.
      const { status, err } = await samtrack(['track', frames, '--weights', at('nosuch.pth'), ...more]);
      expect({ more, status, err }).toMatchObject({
        status: 1,
        err: expect.stringMatching(/file.*: cannot be written/),
      });
    }
    expect(readdirSync(folder)).toEqual(there);
  });
});

describe('samtrack track refuses', () => {
  const manifest = () => structuredClone(deaotManifest());
  const weightsFile = (name: string, content: string | Uint8Array) => {
    writeFileSync(at(name), content);
    return at(name);
  };
  const shaped = (key: string, shape: number[]) => {
    const recipe = manifest();
    return {
      ...recipe,
      tensors: recipe.tensors.map((tensor) => (tensor.name === key ? { ...tensor, shape } : tensor)),
    };
  };

  it.each<[what: string, more: () => string[] | Promise<string[]>, message: RegExp]>([
    ['no mask', () => ['--mask', at('nosuch.png')], /nosuch\.png: no such file/],
    [
      'a mask of another size',
      () => ['--mask', writeMask(at('small.png'), makeMask({ width: 32, height: 48 }))],
      /small\.png: the mask has 32x48 pixels, the frames have 64x48/,
    ],
    [
      'a mask without objects',
      () => ['--mask', writeMask(at('empty.png'), { ...SIZE, data: new Uint16Array(64 * 48) })],
      /empty\.png: the mask has no objects/,
    ],
    ['an unknown adapter', () => ['--adapter', 'nosuch'], /No WebGPU adapter named like "nosuch"/],
    [
      'NaN weights',
      async () => {
        const data = new Uint8Array(new Float32Array(32 * 3 * 3 * 3).fill(Number.NaN).buffer);
        const key = 'encoder.features.0.0.weight';
        const file = writeSafetensors([{ key, dtype: 'f32', shape: [32, 3, 3, 3], data }]);
        return ['--weights', weightsFile('nan.safetensors', file)];
      },
      /nan\.safetensors: "encoder\.features\.0\.0\.weight" holds NaN/,
    ],
    [
      'a missing key',
      () => {
        const recipe = manifest();
        const tensors = recipe.tensors.filter(({ name }) => name !== 'encoder.features.2.conv.0.1.running_var');
        return ['--weights', weightsFile('missing.json', JSON.stringify({ ...recipe, tensors }))];
      },
      /missing\.json: .*"encoder\.features\.2\.conv\.0\.1\.running_var"/,
    ],
    [
      'a wrong shape',
      () => [
        '--weights',
        weightsFile('shape.json', JSON.stringify(shaped('encoder.features.1.conv.1.weight', [16, 8, 1, 1]))),
      ],
      /shape\.json: .*"encoder\.features\.1\.conv\.1\.weight".*16, 8, 1, 1/,
    ],
    [
      'weights of AOT',
      () => {
        const recipe = manifest();
        const tensors = [...recipe.tensors, { name: 'LSTT.mask_token', shape: [1, 1, 256], scale: 1, offset: 0 }];
        return ['--weights', weightsFile('aot.json', JSON.stringify({ ...recipe, tensors }))];
      },
      /aot\.json: these are weights of AOT, the predecessor of DeAOT/,
    ],
    [
      'a budget too small for one frame',
      () => ['--memory-mb', '0.1'],
      /Remembering 1 frame of up to 10 objects needs 0\.2 MB of memory, the budget is 0\.1 MB/,
    ],
  ])('%s', async (what, more, message) => {
    const out = `refused ${what}`;
    const { status, err } = await samtrack([...trackMasks(out), ...(await more())]);
    expect(status).toBe(1);
    expect(err).toMatch(message);
    expect(err).not.toMatch(/^ +at /m);
    expect(existsSync(at(out, 'masks'))).toBe(false);
  });

  it('takes a mask of another size when told to', async () => {
    writeMask(at('small.png'), makeMask({ width: 32, height: 24 }));
    const argv = trackMasks('resized', '--mask', at('small.png'), '--resize-mask', '--to', '1', '--quiet');
    expect(await samtrack(argv)).toMatchObject({ status: 0, err: '' });
    expect(masksOf('resized')).toEqual(['00000.png']);
  });

  it('and tells of tensors that the model does not know', async () => {
    const recipe = deaotManifest({ layers: 2 });
    const file = weightsFile('deeper.json', JSON.stringify(recipe));
    const { status, err } = await samtrack(trackMasks('deeper', '--weights', file, '--to', '1'));
    expect(status).toBe(0);
    expect(err).toMatch(/deeper\.json: \d+ tensors that deaot-t does not know, such as "LSTT\.layers\.1\./);
  });
});

describe('samtrack track --project', () => {
  const project = at('clip.samtrack');
  const argv = (...more: string[]) => trackMasks('project', '--project', project, ...more);

  it('keeps what is tracked at Ctrl-C, goes on with the same command, and writes what track writes', async () => {
    let pressed = false;
    const stopped = await samtrack(argv(), (text) => {
      if (!pressed && text.startsWith('frame 4/')) pressed = process.emit('SIGINT');
    });
    expect(stopped).toMatchObject({
      status: 130,
      err: expect.stringMatching(/stopped\. .*clip\.samtrack keeps what is tracked: the same command goes on\./),
    });
    const { status, err } = await samtrack(argv());
    expect({ status, frames: masksOf('project') }).toEqual({ status: 0, frames: names });
    // Only what was left.
    expect(err).toMatch(/^frame \d\/[34],/m);
    await samtrack(trackMasks('plain'));
    expect(bytesOf('project')).toEqual(bytesOf('plain'));
  });

  it('takes in what a session has changed', async () => {
    const st = await SamTrack.load({ weights: DEAOT_T_WEIGHTS });
    const session = await st.open(frames, { project });
    await session.remove(2);
    await st.dispose();
    expect(await samtrack(argv('--quiet'))).toMatchObject({ status: 0 });
    for (const name of names) {
      const { data } = await readMask(at('project', 'masks', name), { allowEmpty: true });
      expect(data.includes(2)).toBe(false);
    }
  });

  it.each([
    [['--from', '1'], /--project does not go with --from/],
    [['--resume'], /--project does not go with --resume/],
    [['--mode', 'fusion'], /--project does not go with --mode/],
  ])('refuses %s', async (more, message) => {
    expect(await samtrack(argv(...more))).toMatchObject({ status: 2, err: expect.stringMatching(message) });
  });

  it('says whose project it is not', async () => {
    const other = await samtrack([...argv('--quiet'), '--long-term-gap', '3']);
    expect(other).toMatchObject({ status: 1, err: expect.stringMatching(/longTermGap was not given and is now 3/) });
  });
});
