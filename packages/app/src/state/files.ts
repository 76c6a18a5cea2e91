import { fileSave } from 'browser-fs-access';

/** Gives a file to the user: where the browser asks for a place, there, else among the downloads. */
export async function saveAs(file: File): Promise<boolean> {
  try {
    const extension = file.name.slice(file.name.lastIndexOf('.'));
    await fileSave(file, { fileName: file.name, extensions: [extension] });
    return true;
  } catch (error) {
    if ((error as Error).name === 'AbortError') return false;
    download(file);
    return true;
  }
}

/** Puts a file among the downloads. */
function download(file: File): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement('a');
  link.href = url;
  link.download = file.name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A number of bytes for people, in decimal units. */
export function sizeOf(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Seconds for people: `0:07`, `12:40`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
