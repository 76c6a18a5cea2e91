import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { catalog, entryForModel, findEntry, parseCatalog } from '../src/index.js';

const json = () => JSON.parse(readFileSync(new URL('../catalog.json', import.meta.url), 'utf8'));

describe('the catalogue', () => {
  it('has every official checkpoint', () => {
    expect(catalog.map(({ id }) => id)).toEqual([
      'deaot-t',
      'deaot-s',
      'deaot-b',
      'deaot-l',
      'r50-deaot-l',
      'swinb-deaot-l',
      'sam-vit-b',
      'sam-vit-l',
      'sam-vit-h',
      'mobile-sam',
      'sam2.1-tiny',
      'sam2.1-small',
      'sam2.1-base-plus',
      'sam2.1-large',
      'sam2.1-tiny-safetensors',
      'sam2.1-small-safetensors',
      'sam2.1-base-plus-safetensors',
      'sam2.1-large-safetensors',
      'grounding-dino-t',
      'grounding-dino-t-safetensors',
      'grounding-dino-b',
      'grounding-dino-b-safetensors',
    ]);
  });

  it('says who states a hash, and a size with every hash', () => {
    for (const { id, sha256, size, hashFrom } of catalog) {
      if (sha256)
        expect({ id, size, hashFrom }).toEqual({ id, size: expect.any(Number), hashFrom: expect.any(String) });
    }
  });

  it('states sizes that fit float32 values, give or take the container and what training left', () => {
    for (const { id, size, parameters } of catalog) {
      if (!size || !parameters) continue;
      const bytesPerValue = size / parameters;
      // R50-DeAOT-L comes with its optimizer's two moments.
      expect(bytesPerValue, id).toBeGreaterThan(id === 'r50-deaot-l' ? 11.5 : 3.98);
      expect(bytesPerValue, id).toBeLessThan(id === 'r50-deaot-l' ? 12.5 : 4.06);
    }
  });

  it('finds by id and by file name', () => {
    expect(findEntry('sam-vit-b').file).toBe('sam_vit_b_01ec64.pth');
    expect(findEntry('groundingdino_swint_ogc.pth').id).toBe('grounding-dino-t');
    expect(() => findEntry('sam')).toThrow(
      expect.objectContaining({ code: 'unknown-name', message: expect.stringMatching(/sam-vit-b/) }),
    );
  });

  it('serves every model of the command line', () => {
    for (const model of [
      'deaot-b',
      'deaot-l',
      'r50-deaot-l',
      'sam-vit-h',
      'mobile-sam',
      'sam2.1-large',
      'grounding-dino-b',
    ]) {
      expect(entryForModel(model)?.models).toContain(model);
    }
    expect(entryForModel('grounding-dino-t')?.format).toBe('pytorch');
    expect(entryForModel('yolo')).toBeUndefined();
  });
});

describe('parseCatalog', () => {
  const broken = (change: (entry: Record<string, unknown>) => void) => {
    const value = json();
    change(value.checkpoints[1]);
    return () => parseCatalog(value);
  };

  it('accepts the file', () => expect(parseCatalog(json())).toEqual(catalog));

  it.each<[string, (entry: Record<string, unknown>) => void, RegExp]>([
    ['an entry without title', (e) => delete e['title'], /"deaot-s".*title/],
    ['an id twice', (e) => (e['id'] = 'deaot-t'), /id "deaot-t"/],
    ['a file twice', (e) => (e['file'] = 'DeAOTT_PRE_YTB_DAV.pth'), /file "DeAOTT/],
    ['a file that leaves the cache', (e) => (e['file'] = '../x.pth'), /plain name/],
    ['a negative size', (e) => (e['size'] = -1), /size/],
    ['half a hash', (e) => (e['sha256'] = 'ab'), /sha256/],
    ['a source that is no web address', (e) => (e['source'] = { kind: 'url', url: 'file:///etc/passwd' }), /source/],
    ['a family we have not', (e) => (e['family'] = 'yolo'), /family/],
    ['a score without source', (e) => (e['scores'] = [{ dataset: 'x', metric: 'J', value: 1 }]), /score/],
  ])('refuses %s', (_, change, message) => {
    expect(broken(change)).toThrow(TypeError);
    expect(broken(change)).toThrow(message);
  });

  it.each([null, [], { version: 2, checkpoints: [] }, { version: 1 }])('refuses %j', (value) => {
    expect(() => parseCatalog(value)).toThrow(TypeError);
  });
});
