import { directoryOpen, fileOpen } from 'browser-fs-access';
import { importMask, openFiles, reopen } from './actions.js';
import { report } from './engine.js';

/** Does something with what a picker of the browser's gives; who leaves it wants nothing. */
async function pick<T>(picker: Promise<T>, then: (picked: T) => Promise<void>): Promise<void> {
  try {
    await then(await picker);
  } catch (error) {
    if ((error as Error).name !== 'AbortError') report(error);
  }
}

export const chooseFile = () =>
  pick(
    fileOpen({
      mimeTypes: ['video/*', 'image/*'],
      extensions: ['.mp4', '.mov', '.webm', '.mkv', '.zip', '.samtrack', '.pth', '.safetensors'],
      description: 'Videos, images and projects',
    }),
    (file) => openFiles([file]),
  );

export const chooseFolder = () => pick(directoryOpen({ recursive: true }), (files) => openFiles(files as File[]));

/** The video, or the pictures, that a kept project is about. */
export const chooseSource = (id: string) => pick(fileOpen(), (file) => reopen(id, { files: [file] }));

export const chooseSourceFolder = (id: string) =>
  pick(directoryOpen({ recursive: true }), (files) => reopen(id, { files: files as File[] }));

export const chooseMask = () =>
  pick(fileOpen({ mimeTypes: ['image/*'], description: 'Masks' }), (file) => importMask(file));
