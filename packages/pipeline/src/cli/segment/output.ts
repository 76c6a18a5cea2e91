/** What `samtrack segment` writes. */
import { basename } from 'node:path';
import { compressRle, decodeRle, type Rle } from '@samtrack/models/masks';
import { encode } from 'fast-png';
import {
  drawOverlay,
  emptyLabelMap,
  encodeLabelPng,
  fileInput,
  HIDDEN_RECORD,
  type LabelMap,
  OwnedFolder,
  openOutputFolder,
  type RgbaImage,
} from '../../io/index.js';

/** A mask and what is known of it. */
export interface SegmentedObject {
  mask: Rle;
  area: number;
  /** Left, top, width and height as the mask generator counts them: one short of the pixels covered. */
  bbox: readonly number[];
  predictedIou: number;
  stability: number;
  /** Share of the stroke that the mask agrees with. */
  agreement?: number;
  /** With --everything: the point that gave the mask, and the crop it was found in. */
  point?: readonly number[];
  cropBox?: readonly number[];
}

/** The masks as one map of object ids, numbered in the order given; small ones lie on large ones. */
function paintObjects(objects: readonly SegmentedObject[], width: number, height: number): LabelMap {
  const map = emptyLabelMap(width, height);
  const order = objects.map((object, i) => ({ ...object, id: i + 1 })).sort((a, b) => b.area - a.area);
  for (const { mask, id } of order) {
    const pixels = decodeRle(mask);
    for (let i = 0; i < pixels.length; i++) if (pixels[i]) map.data[i] = id;
  }
  return map;
}

const rounded = (value: number) => Number(value.toFixed(6));

/** An object as it stands in the JSON file; keys are those of the published mask generator. */
const objectRecord = (object: SegmentedObject, id: number) => ({
  id,
  segmentation: compressRle(object.mask),
  area: object.area,
  bbox: object.bbox,
  predicted_iou: rounded(object.predictedIou),
  // JSON has no NaN; an empty mask has no stability.
  stability_score: Number.isFinite(object.stability) ? rounded(object.stability) : null,
  ...(object.agreement === undefined ? {} : { stroke_agreement: rounded(object.agreement) }),
  ...(object.point ? { point_coords: [object.point] } : {}),
  ...(object.cropBox ? { crop_box: object.cropBox } : {}),
});

const CSV_COLUMNS = [
  'id,area,bbox_x0,bbox_y0,bbox_w,bbox_h,point_input_x,point_input_y,predicted_iou,stability_score',
  'crop_box_x0,crop_box_y0,crop_box_w,crop_box_h',
].join(',');

/** A line for each mask; numbers are those of the PNG files. */
function metadataCsv(objects: readonly SegmentedObject[]): string {
  const lines = objects.map(
    ({ area, bbox, point = ['', ''], predictedIou, stability, cropBox = ['', '', '', ''] }, i) =>
      [i, area, ...bbox, ...point, rounded(predictedIou), rounded(stability), ...cropBox].join(','),
  );
  return `${[CSV_COLUMNS, ...lines].join('\n')}\n`;
}

const MADE = ['mask.png', 'overlay.png', 'masks.json'];
const METADATA = 'masks/metadata.csv';
const claimOf = (input: string, makes: readonly string[]) => ({
  inputs: [fileInput(input, 'the image')],
  makes,
  record: HIDDEN_RECORD,
});

/** Whether `writeObjects` may write into a folder, before there is anything to write. Throws as it does. */
export function checkObjects(path: string, input: string, { each }: { each: boolean }): Promise<void> {
  const makes = each ? [...MADE, 'masks/0.png', METADATA] : MADE;
  return OwnedFolder.check(openOutputFolder(path), claimOf(input, [...makes, ...(each ? ['masks/'] : [])]), (folder) =>
    folder.refuseForeign(makes),
  );
}

/**
 * Writes mask.png (object ids), overlay.png and masks.json into a folder; with `each`, also a black and white PNG for each
 * mask, numbered from 0, and metadata.csv, as the published mask generator does. Of what is there, only what samtrack made is replaced.
 * @throws OutputError
 */
export async function writeObjects(
  path: string,
  input: string,
  { width, height, rgba }: RgbaImage,
  objects: readonly SegmentedObject[],
  { each }: { each: boolean },
): Promise<void> {
  const map = paintObjects(objects, width, height);
  const overlay = drawOverlay(rgba, map, { contour: 'object' });
  const record = {
    image: { file_name: basename(input), width, height },
    annotations: objects.map((o, i) => objectRecord(o, i + 1)),
  };
  const files = new Map<string, Uint8Array | string>([
    ['mask.png', encodeLabelPng(map, { palette: 'samtrack' })],
    ['overlay.png', encode({ width, height, channels: 4, depth: 8, data: overlay })],
    ['masks.json', `${JSON.stringify(record, null, 1)}\n`],
  ]);
  if (each) {
    for (const [i, { mask }] of objects.entries()) {
      const data = decodeRle(mask).map((pixel) => pixel * 255);
      files.set(`masks/${i}.png`, encode({ width, height, channels: 1, depth: 8, data }));
    }
    files.set(METADATA, metadataCsv(objects));
  }
  const makes = [...files.keys()];
  const folder = await OwnedFolder.claim(openOutputFolder(path), claimOf(input, makes));
  try {
    await folder.refuseForeign(makes);
    if (each) await folder.clear('masks');
    for (const [name, data] of files) await folder.writeFile(name, data);
  } finally {
    await folder.release();
  }
}
