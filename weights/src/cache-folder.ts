import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * Where downloads are kept: `$SAMTRACK_CACHE`, else the user's cache folder as the operating system defines it
 * (`$XDG_CACHE_HOME` or `~/.cache` on Linux, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on Windows).
 */
export function cacheFolder(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home = homedir(),
): string {
  if (env['SAMTRACK_CACHE']) return env['SAMTRACK_CACHE'];
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'samtrack', 'weights');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'samtrack', 'weights');
  return join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'samtrack', 'weights');
}
