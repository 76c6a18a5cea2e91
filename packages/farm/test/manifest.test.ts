/** What people write into manifests, and what they call their files. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readVideos } from '../src/job/manifest.js';
import { temporaryFolder } from './temporary.js';

const folder = temporaryFolder();

function manifest(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

it('reads lines with a byte order mark, carriage returns and empty ones', async () => {
  const file = manifest('good.jsonl', '\uFEFF{"source":"a.mp4","mask":"a.png"}\r\n\r\n"b.mp4"\r\n');
  expect(await readVideos([file], ['--to=9'])).toEqual([
    { argv: [join(folder, 'a.mp4'), '--to=9', `--mask=${join(folder, 'a.png')}`], name: 'a', where: `${file}: line 1` },
    { argv: [join(folder, 'b.mp4'), '--to=9'], name: 'b', where: `${file}: line 3` },
  ]);
});

it.each<[what: string, file: string, text: string, message: RegExp]>([
  ['a line that is no JSON', 'bad.jsonl', '"a.mp4"\n"b.mp4"\n{"source"\n', /bad\.jsonl: line 3: not JSON/],
  ['a line that is a number', 'bad.jsonl', '"a.mp4"\n7\n', /line 2: is an object, or the path of a video/],
  ['nothing', 'bad.json', 'null', /needs "videos"/],
  ['a key that there is not', 'bad.json', '{"videos":["a.mp4"],"optoins":{}}', /"videos" and "options", not "optoins"/],
  ['options that are none', 'bad.json', '{"videos":["a.mp4"],"options":[]}', /"options" is an object/],
  [
    'an option that there is not',
    'bad.json',
    '["a.mp4",{"source":"b","toString":1}]',
    /video 2: .* no option "toString"/,
  ],
  ['an option without a value', 'bad.json', '[{"source":"b","mask":null}]', /video 1: "mask" is text, a number/],
  ['a nested option', 'bad.json', '[{"source":"b","point":[[1,2]]}]', /video 1: "point" is text, a number/],
  ['a name that leads elsewhere', 'bad.json', '[{"source":"b","name":"../../b"}]', /"name" is text that can be/],
  ['a priority of none', 'bad.json', '[{"source":"b","priority":0}]', /"priority" is a whole number from 1/],
  ['one of too much', 'bad.json', '[{"source":"b","priority":99999999}]', /"priority" is .* to 2097152/],
])('refuses %s, and says where it stands', async (_, name, text, message) => {
  const reading = readVideos([manifest(name, text)], []);
  await expect(reading).rejects.toMatchObject({ code: 'bad-spec' });
  await expect(reading).rejects.toThrow(message);
});

it('takes names of files as they are', async () => {
  const videos = join(folder, 'videos');
  mkdirSync(videos);
  const odd = join(videos, "cost $$ $& $' [1].mp4");
  writeFileSync(odd, '');
  const options = ['--mask={folder}/{name}.png'];
  const found = { argv: [odd, `--mask=${odd.replace('.mp4', () => '.png')}`], name: "cost $$ $& $' [1]", where: odd };
  expect(await readVideos([odd], options)).toEqual([found]);
  expect(await readVideos([join(videos, '*.mp4')], options)).toEqual([found]);
});
