/** What of the files of a drop, a folder or a picker is opened. */

const PICTURE = /\.(png|jpe?g|webp|bmp|gif)$/i;
const VIDEO = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ts|ogv|wmv|flv)$/i;

/** Browsers number the downloads of one name apart: `clip.samtrack (1).zip`. */
export const isProject = ({ name }: File) => /\.samtrack([ -]?\(?\d+\)?)?(\.zip)?$/i.test(name);
export const isModel = ({ name }: File) => /\.(pth|pt|safetensors)$/i.test(name);
const isPicture = ({ name, type }: File) => PICTURE.test(name) || type.startsWith('image/');
const isVideo = ({ name, type }: File) => VIDEO.test(name) || type.startsWith('video/');

/** Where a file stands in the folder that it came with; its name alone if it came by itself. */
export const pathOf = (file: File): string =>
  ((file as { path?: string }).path ?? (file.webkitRelativePath || file.name)).replace(/^\.?\//, '');

const folderOf = (file: File) => pathOf(file).split('/').slice(0, -1).join('/');

/** Files that systems leave in folders, and that nobody means. */
export const isMeant = (file: File): boolean =>
  !file.name.startsWith('.') && !/(?:^|\/)__MACOSX\//.test(pathOf(file)) && file.name !== 'Thumbs.db';

/**
 * Of several files the one video, or the pictures of one folder; anything else goes on as it is, to be refused by name.
 * @returns the files, and what the project is called where a folder has a name
 * @throws Error where it is not clear what is meant
 */
export function sortOut(given: readonly File[]): { files: readonly File[]; name?: string } {
  const pictures = given.filter(isPicture);
  const videos = given.filter(isVideo);
  if (given.length < 2) return { files: given };
  if (pictures.length === 0) {
    if (videos.length > 1) {
      throw new Error(`There are ${videos.length} videos, ${videos[0]!.name} and others: open one at a time.`);
    }
    return { files: videos.length === 1 ? videos : given.slice(0, 1) };
  }
  const folders = [...new Set(pictures.map(folderOf))];
  if (folders.length > 1) {
    const names = folders.slice(0, 3).map((folder) => folder || 'the one at the top');
    throw new Error(
      `There are pictures in ${folders.length} folders: ${names.join(', ')}${folders.length > 3 ? ' …' : ''}. Open one of them.`,
    );
  }
  return { files: pictures, name: folders[0]!.split('/').at(-1) || undefined };
}
