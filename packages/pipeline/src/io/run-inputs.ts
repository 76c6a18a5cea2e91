/** Something that a run reads, and that its output must therefore leave alone. */
export interface RunInput {
  path: string;
  /** What it is, for messages: `the source`, `the mask`. */
  what: string;
  /** The file itself; whatever stands directly in the folder; whatever stands anywhere below it. */
  scope: 'file' | 'folder' | 'tree';
}

/** A path that a run reads. Not for URLs. */
export const fileInput = (path: string, what: string): RunInput => ({ path, what, scope: 'file' });

/** What a data set in DAVIS's or YouTube-VOS's layout consists of: results may lie beside these folders, not in them. */
export const dataSetInputs = (root: string): RunInput[] =>
  ['Annotations', 'Annotations_unsupervised', 'JPEGImages', 'ImageSets', 'Scribbles'].map((name) => ({
    path: `${root}/${name}`,
    what: 'part of the data set',
    scope: 'tree',
  }));

/** What a project on disk consists of. */
export const projectInputs = (project: string): RunInput[] => [
  fileInput(project, 'the project'),
  { path: `${project}.masks`, what: 'part of the project', scope: 'tree' },
];
