import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLabelPng, MaskError, openSource, readMask, SourceError, type SourceInput } from '../../src/io/index.js';
import { SamTrack } from '../../src/session/index.js';

const CLIP = fileURLToPath(new URL('../../../../demo/clip.mp4', import.meta.url));
const picture = () => encodeLabelPng({ width: 4, height: 2, data: Uint16Array.of(0, 1, 1, 0, 0, 1, 1, 0) });

let server: Server;
let at: string;
let png: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  png = Uint8Array.from(await picture());
  const files: Record<string, Uint8Array> = { '/clip.mp4': readFileSync(CLIP), '/picture': png };
  server = createServer(({ url }, response) => {
    const file = files[url!.split('?')[0]!];
    response.writeHead(file ? 200 : 404).end(file);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

/** Name, kind and size of what is opened, and how many frames it says it has. */
async function opened(input: SourceInput) {
  const source = await openSource(input);
  const { kind, name, width, height } = source;
  await source.close();
  return { kind, name, width, height };
}

describe('openSource takes', () => {
  const image = { kind: 'images', width: 4, height: 2 };
  const video = { kind: 'video', width: 432, height: 240 };

  it('a URL of a file', async () => {
    expect(await opened(pathToFileURL(CLIP))).toEqual({ ...video, name: 'clip' });
  });

  it('a URL of a server, as an object or a string', async () => {
    expect(await opened(new URL(`${at}/clip.mp4?token=1`))).toEqual({ ...video, name: 'clip' });
    expect(await opened(`${at}/picture`)).toMatchObject(image);
  });

  it('Blobs and bytes without a name, by what they hold', async () => {
    const clip = new Uint8Array(readFileSync(CLIP));
    expect(await opened(new Blob([png]))).toMatchObject(image);
    expect(await opened(png)).toMatchObject(image);
    expect(await opened(png.buffer)).toMatchObject(image);
    expect(await opened(new Blob([clip]))).toEqual({ ...video, name: 'video' });
    expect(await opened(clip)).toEqual({ ...video, name: 'video' });
    expect(await opened(zipSync({ '0.png': png, '1.png': png }))).toMatchObject(image);
  });

  it('image files', async () => {
    expect(await opened([new File([png], '0.png'), new File([png], '1.png')])).toMatchObject(image);
  });
});

describe('a wrong input is a typed error', () => {
  it.each<[unknown, RegExp]>([
    [5, /cannot be read: 5; give a path \(Node\), a URL, a Blob or File, bytes, or a list of image files/],
    [undefined, /cannot be read: undefined/],
    [null, /cannot be read: null/],
    [{ file: 'clip.mp4' }, /cannot be read: an object \(Object\)/],
    [['clip.mp4'], /cannot be read: an object \(Array\)/],
  ])('%j', async (input, message) => {
    const failure = openSource(input as SourceInput);
    await expect(failure).rejects.toThrow(SourceError);
    await expect(failure).rejects.toMatchObject({ code: 'unsupported', message: expect.stringMatching(message) });
    await expect(readMask(input as string)).rejects.toThrow(MaskError);
  });

  it.each<[unknown, RegExp]>([
    [{ fsp: 5 }, /openSource has no option `fsp`; there is fps, sequence/],
    [{ fps: 0 }, /`fps` of openSource is a frame rate above 0 and up to 1000, not 0/],
    [{ exclude: 'a.png' }, /`exclude` of openSource is a list, not "a.png"/],
    [null, /an object of options, not null/],
  ])('the option %j', async (options, message) => {
    await expect(openSource(CLIP, options as object)).rejects.toMatchObject({
      name: 'SourceError',
      code: 'bad-option',
      message: expect.stringMatching(message),
    });
  });

  it('a mask that is not there, by its own name, where the frames have one too', async () => {
    const frames = { width: 4, height: 2, name: 'clip' };
    await expect(readMask('gone.png', frames)).rejects.toMatchObject({
      code: 'not-found',
      message: 'gone.png: no such file',
    });
    await expect(readMask(png, { ...frames, as: 'label' as 'labels' })).rejects.toMatchObject({
      name: 'MaskError',
      message: 'clip: `as` is one of labels, binary, colours, alpha, not "label"',
    });
  });

  it('a URL that is not there, and a server that is not', async () => {
    await expect(openSource(`${at}/gone.mp4`)).rejects.toMatchObject({
      name: 'SourceError',
      code: 'not-found',
      message: /404/,
    });
    await expect(openSource('http://127.0.0.1:1/clip.mp4')).rejects.toMatchObject({ code: 'unreadable' });
  });

  it('bytes that are nothing', async () => {
    await expect(openSource(new Uint8Array(64))).rejects.toMatchObject({ name: 'SourceError' });
    await expect(openSource(new Uint8Array())).rejects.toMatchObject({ name: 'SourceError' });
  });
});

describe('readMask takes', () => {
  it('a URL, bytes and a Blob', async () => {
    for (const source of [new URL(`${at}/picture`), `${at}/picture`, png.buffer, new Blob([png])]) {
      expect([...(await readMask(source)).data]).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
    }
  });
});

it('a session is opened over bytes', async () => {
  const st = await SamTrack.load({ engine: 'webgpu' });
  try {
    const session = await st.open(new Uint8Array(readFileSync(CLIP)));
    expect(session.objects).toEqual([]);
    await expect(st.open(5 as unknown as SourceInput)).rejects.toThrow(SourceError);
  } finally {
    await st.dispose();
  }
});
