/** The worker for downloads: it fetches what the user asked for, and nothing else, into the origin's private file system. */
import { openChannel } from '../channel.js';
import type { DownloadRequest, NetApi, NetPageApi } from '../protocol.js';
import { Download, DownloadError, discardPart, stoppedParts } from './download.js';

const running = new Map<string, Download>();

const page = openChannel<NetPageApi, NetApi>(self as unknown as Worker, {
  async download(request: DownloadRequest) {
    if (running.has(request.file)) throw new DownloadError('busy', `${request.file} is being downloaded already`);
    const download = new Download(request, (report) => void page.progress.asEvent(report));
    running.set(request.file, download);
    try {
      await download.run();
    } finally {
      running.delete(request.file);
    }
  },
  pause(file) {
    running.get(file)?.stop();
  },
  async discard(file) {
    running.get(file)?.stop();
    await discardPart(file);
  },
  async fetchFile(url) {
    const response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer' }).catch(() => {
      throw new DownloadError(
        'network',
        `${new URL(url).host} cannot be reached, or does not let pages read its files`,
      );
    });
    if (!response.ok) throw new DownloadError('http', `${new URL(url).host} answers ${response.status}`);
    const blob = await response.blob();
    if (/^text\/html/.test(blob.type)) throw new DownloadError('html', `${url} is a web page, and no video`);
    const name = decodeURIComponent(new URL(response.url).pathname.split('/').at(-1) || 'video');
    return new File([blob], name, { type: blob.type });
  },
  parts: stoppedParts,
});
