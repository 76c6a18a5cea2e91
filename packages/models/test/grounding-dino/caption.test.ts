import { describe, expect, it } from 'vitest';
import {
  CaptionError,
  loadTokenizer,
  preprocessCaption,
  tokenizeCaption,
} from '../../src/grounding-dino/text/index.js';

const tokenizer = await loadTokenizer();
const tokenize = (text: string) => tokenizeCaption(text, tokenizer);

/** The mask as groups: for each token the columns it attends to. */
function attends({ ids, mask }: { ids: readonly number[]; mask: Uint8Array }): number[][] {
  const length = ids.length;
  return ids.map((_, row) => ids.flatMap((_, column) => (mask[row * length + column] ? [column] : [])));
}

describe('preprocessCaption', () => {
  it.each([
    ['Cat', 'cat.'],
    ['  A Cat . ', 'a cat .'],
    ['a cat.', 'a cat.'],
    ['what is this?', 'what is this?.'],
    ['\x1f cat .\x85', 'cat .'],
    ['ΟΔΟΣ', 'οδος.'],
  ])('%j becomes %j', (caption, expected) => {
    expect(preprocessCaption(caption)).toBe(expected);
    expect(preprocessCaption(expected)).toBe(expected);
  });

  it.each(['', ' ', '.', ' . ? .', '\n\u200b'])('refuses %j: there is nothing to look for', (caption) => {
    expect(() => preprocessCaption(caption)).toThrow(CaptionError);
  });
});

describe('tokenizeCaption', () => {
  it('groups the tokens of a sub-sentence with its full stop', () => {
    const caption = tokenize('chair . person . dog .');
    expect(caption.ids).toEqual([101, 3242, 1012, 2711, 1012, 3899, 1012, 102]);
    expect(attends(caption)).toEqual([[0], [1, 2], [1, 2], [3, 4], [3, 4], [5, 6], [5, 6], [7]]);
    expect([...caption.positionIds]).toEqual([0, 0, 1, 0, 1, 0, 1, 0]);
    expect(caption.cut).toBe(0);
  });

  it('ends sub-sentences at question marks, too, and tells where the tokens stand', () => {
    const caption = tokenize('a red cat? dogs.');
    expect(attends(caption)).toEqual([
      [0],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [5, 6],
      [5, 6],
      [7],
    ]);
    expect([...caption.positionIds]).toEqual([0, 0, 1, 2, 3, 0, 1, 0]);
    expect(caption.offsets.map((pair) => pair && caption.text.slice(...pair))).toEqual([
      ...[undefined, 'a', 'red', 'cat', '?', 'dogs', '.', undefined],
    ]);
  });

  it('leaves each token after the last delimiter to itself, also where there is none at all', () => {
    expect(attends(tokenize('a cat . red dog'))).toEqual([[0], [1, 2, 3], [1, 2, 3], [1, 2, 3], [4], [5], [6]]);
    expect([...tokenize('a cat . red dog').positionIds]).toEqual([0, 0, 1, 2, 0, 0, 0]);
    expect(attends(tokenize('red dog'))).toEqual([[0], [1], [2], [3]]);
  });

  it('gives consecutive full stops groups of their own', () => {
    expect(attends(tokenize('cat . . ?'))).toEqual([[0], [1, 2], [1, 2], [3], [4], [5]]);
  });

  it('cuts to 256 tokens after the groups are made, and says how many it cut', () => {
    const exact = tokenize(`${'dog '.repeat(253)}.`);
    expect([exact.ids.length, exact.ids.at(-1), exact.cut]).toEqual([256, 102, 0]);
    const over = tokenize(`${'dog '.repeat(254)}.`);
    expect([over.ids.length, over.ids.at(-1), over.cut]).toEqual([256, 1012, 1]);
    const long = tokenize(`${'dog '.repeat(200)}. ${'cat '.repeat(600)}.`);
    expect([long.ids.length, long.cut, long.offsets.length, long.mask.length]).toEqual([256, 548, 256, 256 * 256]);
    // The full stop of the second group is cut off, the group is one nevertheless.
    expect(attends(long)[255]).toEqual(Array.from({ length: 54 }, (_, i) => 202 + i));
    expect([...long.positionIds.slice(200, 205)]).toEqual([199, 200, 0, 1, 2]);
    expect(long.positionIds[255]).toBe(53);
  });
});
