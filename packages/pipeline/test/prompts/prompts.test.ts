import { describe, expect, it } from 'vitest';
import { labelIds } from '../../src/io/index.js';
import {
  checkPromptedObjects,
  type PromptedObject,
  parsePromptFile,
  promptedInfos,
  promptedMasks,
} from '../../src/prompts/index.js';
import { SessionError } from '../../src/session/index.js';
import { type Actor, COLOURS, clipOf, colourSegmenter, iouOf, truthOf } from '../discovery/clip.js';

const ACTORS: readonly Actor[] = [
  { enters: 0, at: [190, 95], by: [-2, 0], radius: 22, colour: COLOURS[1] },
  { enters: 0, at: [50, 40], by: [3, 0], radius: 18, colour: COLOURS[0] },
];
const BOUNDS = { name: 'clip', width: 240, height: 136, from: 0, to: 8 };
const click = (x: number, y: number, frame = 0) => ({ frame, points: [[x, y]] as const, labels: [1] });

/** The error of what must fail. */
const failure = (work: () => unknown): SessionError => {
  try {
    work();
  } catch (error) {
    return error as SessionError;
  }
  throw new Error('it did not fail');
};

describe('a prompt file', () => {
  it('is read', () => {
    const text = JSON.stringify({
      objects: [
        {
          name: 'dog',
          label: 'animal',
          prompts: [
            { frame: 0, points: [[1, 2]] },
            { frame: 6, box: [1, 2, 30, 40] },
          ],
        },
        {
          prompts: [
            {
              frame: 3,
              points: [
                [5, 6],
                [7, 8],
              ],
              labels: [1, 0],
              stroke: [
                [1, 1],
                [9, 9],
              ],
            },
          ],
        },
      ],
    });
    expect(parsePromptFile(text, 'p.json')).toEqual([
      {
        name: 'dog',
        label: 'animal',
        prompts: [
          { frame: 0, points: [[1, 2]], labels: [1] },
          { frame: 6, box: [1, 2, 30, 40] },
        ],
      },
      {
        prompts: [
          {
            frame: 3,
            points: [
              [5, 6],
              [7, 8],
            ],
            labels: [1, 0],
            stroke: [
              [1, 1],
              [9, 9],
            ],
          },
        ],
      },
    ]);
  });

  const one = (prompt: unknown) => ({ objects: [{ prompts: [prompt] }] });
  it.each<[message: RegExp, value: unknown]>([
    [/^p\.json: the file should be an object with objects, it is \[\]/, []],
    [/the file has the unknown key "object"; it may have objects/, { object: [] }],
    [/objects should be a list of objects, it is missing/, {}],
    [/objects should be a list with at least one object/, { objects: [] }],
    [/objects\[0\] has the unknown key "points"; it may have name, label, prompts/, { objects: [{ points: [] }] }],
    [/objects\[0\]\.prompts should be a list of prompts, it is missing/, { objects: [{ name: 'a' }] }],
    [/objects\[0\]\.name should be a text, it is ""/, { objects: [{ name: '', prompts: [] }] }],
    [/objects\[0\]\.prompts\[0\]\.frame should be a whole number, it is missing/, one({ points: [[1, 2]] })],
    [/prompts\[0\]\.frame should be a whole number, it is 1\.5/, one({ frame: 1.5, points: [[1, 2]] })],
    [/prompts\[0\]\.points\[1\] should be \[x, y\], it is \[1\]/, one({ frame: 0, points: [[1, 2], [1]] })],
    [/prompts\[0\] should be a prompt with points, a box or a stroke, it is \{"frame":0\}/, one({ frame: 0 })],
    [
      /prompts\[0\]\.labels should be left out where there are no points/,
      one({ frame: 0, box: [1, 2, 3, 4], labels: [1] }),
    ],
    [/prompts\[0\]\.points\[0\] should be \[x, y\], it is "a"/, one({ frame: 0, points: ['a'] })],
    [/prompts\[0\]\.box should be \[x0, y0, x1, y1\], it is \[1,2,3,null\]/, one({ frame: 0, box: [1, 2, 3, null] })],
    [
      /prompts\[0\]\.labels\[0\] should be a whole number, it is "yes"/,
      one({ frame: 0, points: [[1, 2]], labels: ['yes'] }),
    ],
  ])('that is wrong: %s', (message, value) => {
    const error = failure(() => parsePromptFile(JSON.stringify(value), 'p.json'));
    expect(error).toBeInstanceOf(SessionError);
    expect(error).toMatchObject({ code: 'bad-prompt', message: expect.stringMatching(message) });
  });

  it('that is no JSON', () => {
    expect(failure(() => parsePromptFile('{', 'p.json'))).toMatchObject({
      code: 'bad-prompt',
      message: expect.stringMatching(/^p\.json: no JSON: /),
    });
  });
});

describe('bad prompts', () => {
  it.each<[code: string, message: RegExp, objects: PromptedObject[]]>([
    ['bad-prompt', /object "a": .*point \(240, 5\) is outside of 240x136/, [{ name: 'a', prompts: [click(240, 5)] }]],
    ['bad-prompt', /object 1: .*point \(-1, 5\) is outside/, [{ prompts: [click(-1, 5)] }]],
    ['bad-prompt', /box \(9, 9, 9, 40\) is empty or outside/, [{ prompts: [{ frame: 0, box: [9, 9, 9, 40] }] }]],
    ['bad-prompt', /box \(40, 9, 9, 40\) is empty or outside/, [{ prompts: [{ frame: 0, box: [40, 9, 9, 40] }] }]],
    ['bad-prompt', /box \(300, 9, 320, 40\) is .* outside/, [{ prompts: [{ frame: 0, box: [300, 9, 320, 40] }] }]],
    [
      'bad-prompt',
      /point \(500, 1\) is outside/,
      [
        {
          prompts: [
            {
              frame: 0,
              stroke: [
                [1, 1],
                [500, 1],
              ],
            },
          ],
        },
      ],
    ],
    [
      'bad-prompt',
      /object 2, frame 0: there is no point, box or stroke/,
      // @ts-expect-error nothing is shown
      [{ prompts: [click(1, 1)] }, { prompts: [{ frame: 0 }] }],
    ],
    ['bad-prompt', /all points are beside the object/, [{ prompts: [{ frame: 0, points: [[1, 1]], labels: [0] }] }]],
    [
      'bad-prompt',
      /label 3 is neither 0 nor 1/,
      [
        {
          prompts: [
            {
              frame: 0,
              points: [
                [1, 1],
                [2, 2],
              ],
              labels: [1, 3],
            },
          ],
        },
      ],
    ],
    ['bad-prompt', /2 labels for 1 points/, [{ prompts: [{ frame: 0, points: [[1, 1]], labels: [1, 0] }] }]],
    [
      'bad-prompt',
      /two objects are named "a"/,
      [
        { name: 'a', prompts: [click(1, 1)] },
        { name: 'a', prompts: [click(9, 9)] },
      ],
    ],
    ['bad-prompt', /object "a" is prompted twice in frame 0/, [{ name: 'a', prompts: [click(1, 1), click(2, 2)] }]],
    ['bad-prompt', /object "a" has no prompts/, [{ name: 'a', prompts: [] }]],
    [
      'out-of-range',
      /object "a": there is no frame 8; clip is tracked from 0 to 7/,
      [{ name: 'a', prompts: [click(1, 1, 8)] }],
    ],
  ])('are refused as %s: %s', (code, message, objects) => {
    const error = failure(() => checkPromptedObjects(objects, BOUNDS));
    expect(error).toBeInstanceOf(SessionError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('are in a frame before those that are tracked', () => {
    const objects = [{ prompts: [click(1, 1, 2)] }];
    expect(failure(() => checkPromptedObjects(objects, { ...BOUNDS, from: 3, to: undefined }))).toMatchObject({
      code: 'out-of-range',
      message: expect.stringMatching(/no frame 2; clip is tracked from 3 on/),
    });
  });

  it('are on nothing', async () => {
    const source = await clipOf(ACTORS, 2);
    const error = await promptedMasks(source, [{ name: 'gap', prompts: [click(120, 5)] }], colourSegmenter()).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(SessionError);
    expect(error).toMatchObject({
      code: 'nothing-found',
      message: expect.stringMatching(/^object "gap": colours finds no object there in frame 0/),
    });
  });

  it('are covered by others', async () => {
    const source = await clipOf(ACTORS, 2);
    const objects = [{ prompts: [click(190, 95)] }, { prompts: [click(191, 96)] }];
    await expect(promptedMasks(source, objects, colourSegmenter())).rejects.toMatchObject({
      code: 'nothing-found',
      message: expect.stringMatching(/^object 1: other objects cover all/),
    });
  });

  it('are behind the end of a source that does not know it', async () => {
    const { frameCount: _, ...source } = await clipOf(ACTORS, 2);
    const open = { ...source, frames: () => (async function* () {})(), [Symbol.asyncIterator]: source.frames };
    await expect(
      promptedMasks(open as never, [{ prompts: [click(1, 1, 5)] }], colourSegmenter()),
    ).rejects.toMatchObject({
      code: 'out-of-range',
    });
  });
});

describe('masks of prompts', () => {
  it('are those of the objects, in every frame that has prompts', async () => {
    const source = await clipOf(ACTORS, 8);
    const objects: PromptedObject[] = [
      { name: 'green', prompts: [click(190, 95), { frame: 5, box: [150, 60, 210, 130] }] },
      {
        name: 'red',
        label: 'ball',
        prompts: [
          {
            frame: 5,
            stroke: [
              [60, 40],
              [70, 42],
            ],
          },
        ],
      },
    ];
    checkPromptedObjects(objects, BOUNDS);
    const frames = await promptedMasks(source, objects, colourSegmenter());
    expect(frames.map(({ frame, labels }) => [frame.index, labelIds(labels)])).toEqual([
      [0, [1]],
      [5, [1, 2]],
    ]);
    expect(iouOf(frames[0]!.labels, 1, truthOf(ACTORS, 0), 1)).toBe(1);
    expect(iouOf(frames[1]!.labels, 1, truthOf(ACTORS, 5), 1)).toBe(1);
    expect(iouOf(frames[1]!.labels, 2, truthOf(ACTORS, 5), 2)).toBe(1);
    expect([...promptedInfos(objects)]).toEqual([
      [1, { name: 'green' }],
      [2, { name: 'red', label: 'ball' }],
    ]);
  });
});
