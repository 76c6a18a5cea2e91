import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { consumer, PACKAGES } from '../src/packed.js';

it('a program in Node tracks three frames with the default weights', async () => {
  const program = consumer('node', 'node');
  program.write('track.js', readFileSync(new URL('../projects/browser/track.js', import.meta.url), 'utf8'));
  const { status, output } = await program.run(['main.mjs']);
  expect({ status, output }).toMatchObject({ status: 0 });
  const areas = JSON.parse(output.split('\n').find((line) => line.startsWith('['))!) as number[];
  expect(areas[0]).toBe(432);
  for (const area of areas) expect(Math.abs(area - 432)).toBeLessThan(90);
});

it('the command line has the commands of a farm that is installed beside it', async () => {
  const { run, write } = consumer('farm');
  const samtrack = (...argv: string[]) => run(['node_modules/samtrack/bin/samtrack.mjs', ...argv]);
  for (const command of ['worker', 'submit', 'jobs']) {
    const { status, output } = await samtrack(command, '--help');
    expect({ status, output }).toMatchObject({
      status: 0,
      output: expect.stringMatching(`Usage: samtrack ${command}`),
    });
  }
  // Its parts are all there: those of the programs are loaded by a worker's child.
  write(
    'programs.mjs',
    "import programs, { isFinal } from '@samtrack/farm/programs';\n" +
      'console.log(Object.keys(programs()).join(), isFinal(new Error()));\n',
  );
  expect(await run(['programs.mjs'])).toEqual({ status: 0, output: 'track,davis,score,table false\n' });
});

it('the command line answers', async () => {
  const { run } = consumer('cli');
  const { status, output } = await run(['node_modules/samtrack/bin/samtrack.mjs', '--version']);
  expect({ status, output: output.trim() }).toEqual({
    status: 0,
    output: PACKAGES.find(({ manifest }) => manifest.name === 'samtrack')!.manifest.version,
  });
});
