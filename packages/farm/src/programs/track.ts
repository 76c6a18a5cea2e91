import { EXPORT_FORMATS } from 'samtrack';
import { planTrack, RESULT_FILES, trackVideo } from 'samtrack/cli';
import type { Program } from '../run/context.js';
import type { KeptModels } from './models.js';

/** Files and folders that are made anew from all masks when a run goes on. */
const EXPORTS = Object.values(EXPORT_FORMATS).map(({ path }): string => path);

/** `samtrack track`, with its arguments. */
export const trackProgram = (models: KeptModels): Program => ({
  async run({ parameters }, context) {
    const { argv } = parameters as { argv: string[] };
    const plan = planTrack(argv);
    // With prompts on later frames a video is tracked both ways: there are no masks to go on with before both are through.
    const host = models.host(
      context,
      () => plan.later,
      (name) => `masks/${name}.png`,
    );
    // Such a run has networks of its own, beside which there may be no room for others.
    if (plan.later) models.dispose();
    const here = { ...plan, settings: models.settingsOf(plan.settings) };
    const { summary, error } = await trackVideo(here, context.folder, 'resume', host);
    if (error !== undefined) throw error;
    return { frames: summary.frames, notes: summary.warnings };
  },
  keeps: (file) => !EXPORTS.some((path) => (path.endsWith('/') ? file.startsWith(path) : file === path)),
  replaces: (file) => file === RESULT_FILES.memory,
  dispose: () => models.dispose(),
});
