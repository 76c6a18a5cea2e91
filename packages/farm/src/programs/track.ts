import { EXPORT_FORMATS } from 'samtrack';
import { planTrack, trackVideo } from 'samtrack/cli';
import type { Program } from '../run/context.js';
import type { KeptModels } from './models.js';

/** Files and folders that are made anew from all masks when a run goes on. */
const EXPORTS = Object.values(EXPORT_FORMATS).map(({ path }): string => path);

/** `samtrack track`, with its arguments. */
export const trackProgram = (models: KeptModels): Program => ({
  async run({ parameters }, context) {
    const { argv } = parameters as { argv: string[] };
    const host = models.host(context, (name) => `masks/${name}.png`);
    const { summary, error } = await trackVideo(planTrack(argv), context.folder, 'resume', host);
    if (error !== undefined) throw error;
    return { frames: summary.frames, notes: summary.warnings };
  },
  keeps: (file) => !EXPORTS.some((path) => (path.endsWith('/') ? file.startsWith(path) : file === path)),
  dispose: () => models.dispose(),
});
