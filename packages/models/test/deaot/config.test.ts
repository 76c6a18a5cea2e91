import { describe, expect, it } from 'vitest';
import { networkSize, tokenGrid } from '../../src/index.js';

describe('networkSize', () => {
  // Sizes that aot-benchmark's MultiRestrictSize gives: height x width of the frame, of the input, and of the tokens.
  it.each<[frame: string, aligned: string, alignedTokens: string, plain: string, plainTokens: string]>([
    ['480x854', '481x849', '31x54', '480x848', '30x53'],
    ['480x640', '481x641', '31x41', '480x640', '30x40'],
    ['480x910', '481x913', '31x58', '480x912', '30x57'],
    ['360x640', '353x641', '23x41', '352x640', '22x40'],
    ['540x960', '545x961', '35x61', '544x960', '34x60'],
    ['720x1280', '577x1041', '37x66', '592x1040', '37x65'],
    ['1080x1920', '577x1041', '37x66', '592x1040', '37x65'],
    ['2160x3840', '577x1041', '37x66', '592x1040', '37x65'],
    ['1280x720', '1041x577', '66x37', '1040x592', '65x37'],
  ])('%s', (frame, aligned, alignedTokens, plain, plainTokens) => {
    const [height, width] = frame.split('x').map(Number) as [number, number];
    const text = (size: { height: number; width: number }) => `${size.height}x${size.width}`;
    const withCorners = networkSize(height, width, true);
    expect(text(withCorners)).toBe(aligned);
    expect(text(tokenGrid(withCorners, true))).toBe(alignedTokens);
    const without = networkSize(height, width, false);
    expect(text(without)).toBe(plain);
    expect(text(tokenGrid(without, false))).toBe(plainTokens);
  });

  it('leaves sides on the lattice alone', () => {
    expect(networkSize(465, 465, true)).toEqual({ height: 465, width: 465 });
    expect(networkSize(464, 464, false)).toEqual({ height: 464, width: 464 });
  });

  it('limits the long edge to what is asked for, before it snaps', () => {
    expect(networkSize(480, 854, true, 433)).toEqual({ height: 241, width: 433 });
    expect(networkSize(480, 854, true, 1040)).toEqual(networkSize(480, 854, true));
  });

  it('has at least one token along each side', () => {
    expect(networkSize(1, 2000, true).height).toBe(17);
    expect(networkSize(1, 2000, false).height).toBe(16);
  });
});
