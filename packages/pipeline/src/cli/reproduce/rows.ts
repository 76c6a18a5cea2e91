/** The published numbers that `samtrack reproduce` computes again. */
import { DEAOT_CONFIGS, type DeAotName } from '@samtrack/models';
import { catalog } from '@samtrack/weights';

/** A data set with a split, as publications name it. */
export interface Benchmark {
  readonly title: string;
  readonly year: 2016 | 2017;
  readonly split: 'val' | 'test-dev';
  /** Sequences that it has. */
  readonly sequences: number;
}

export const BENCHMARKS: readonly Benchmark[] = [
  { title: 'DAVIS 2016 val', year: 2016, split: 'val', sequences: 20 },
  { title: 'DAVIS 2017 val', year: 2017, split: 'val', sequences: 30 },
  { title: 'DAVIS 2017 test-dev', year: 2017, split: 'test-dev', sequences: 30 },
];

/** How objects are shown in the first frame: by their masks, or by simulated clicks. */
export const INITIALISATIONS = ['masks', 'clicks'] as const;

/** J and F and their mean, in per cent; publications may give the mean only. */
export interface Scores {
  readonly jf: number;
  readonly j?: number | undefined;
  readonly f?: number | undefined;
}

/** A number of a publication, or one of our own that nobody has published. */
export interface Row {
  readonly model: DeAotName;
  /** The official checkpoint, or the weights that come with samtrack. */
  readonly weights: 'official' | 'own';
  readonly initialisation: (typeof INITIALISATIONS)[number];
  readonly benchmark: Benchmark;
  readonly published?: Scores;
  readonly source?: string;
}

const PAPER = 'Segment and Track Anything, table 1 (arXiv:2305.06558)';
/** With clicks and R50-DeAOT-L, by benchmark. */
const CLICKS: Readonly<Record<string, Scores>> = {
  'DAVIS 2016 val': { jf: 92.0, j: 90.3, f: 93.6 },
  'DAVIS 2017 test-dev': { jf: 79.2, j: 75.3, f: 83.1 },
};
/** J and F beside the means that the catalogue has, from the same table. */
const MASKS: Readonly<Record<string, Omit<Scores, 'jf'>>> = {
  'r50-deaot-l DAVIS 2016 val': { j: 90.5, f: 94.0 },
  'r50-deaot-l DAVIS 2017 test-dev': { j: 76.9, f: 84.5 },
  'swinb-deaot-l DAVIS 2016 val': { j: 91.1, f: 94.7 },
  'swinb-deaot-l DAVIS 2017 test-dev': { j: 78.9, f: 86.7 },
};

/** Every row, those of the paper's table first, those of our own weights last. */
export function reproducibleRows(): readonly Row[] {
  const clicks = BENCHMARKS.filter(({ title }) => CLICKS[title]).map(
    (benchmark): Row => ({
      model: 'r50-deaot-l',
      weights: 'official',
      initialisation: 'clicks',
      benchmark,
      published: CLICKS[benchmark.title]!,
      source: PAPER,
    }),
  );
  const masks = catalog
    .filter(({ family }) => family === 'deaot')
    .flatMap(({ models, scores }) =>
      scores.flatMap(({ dataset, metric, value, source }): Row[] => {
        const benchmark = BENCHMARKS.find(({ title }) => title === dataset);
        const model = models.find((name): name is DeAotName => Object.hasOwn(DEAOT_CONFIGS, name));
        if (!benchmark || !model || metric !== 'J&F') return [];
        const published = { jf: value, ...MASKS[`${model} ${dataset}`] };
        return [{ model, weights: 'official', initialisation: 'masks', benchmark, published, source }];
      }),
    );
  const own = INITIALISATIONS.flatMap((initialisation) =>
    BENCHMARKS.filter(({ split }) => split === 'val').map(
      (benchmark): Row => ({ model: 'deaot-t', weights: 'own', initialisation, benchmark }),
    ),
  );
  return [...clicks, ...masks.reverse(), ...own];
}

/** What a row is called in tables and folders. */
export const rowName = ({ model, weights, initialisation }: Row): string =>
  `${model}${weights === 'own' ? ' (own weights)' : ''}, ${initialisation}`;
