/**
 * Google Drive answers a download of a large file with a page that asks for confirmation: a form whose hidden fields, sent back, give the file.
 */
import { WeightsError } from './error.js';

const DOWNLOAD = 'https://drive.usercontent.google.com/download';

/** Where the file of an id is; `confirm=t` usually spares the page. */
export function driveUrl(id: string, base = DOWNLOAD): string {
  return `${base}?${new URLSearchParams({ id, export: 'download', confirm: 't' })}`;
}

/**
 * The URL behind the confirmation page, `undefined` if the page is something else.
 * @throws WeightsError `quota` when the page says that the file was downloaded too often
 */
export function confirmedUrl(page: string, pageUrl: string): string | undefined {
  if (/quota exceeded|too many users have viewed or downloaded/i.test(page)) {
    throw new WeightsError(
      'quota',
      'Google Drive has served this file too often today: try again in a day, or open the link in a browser while signed in',
      { url: pageUrl },
    );
  }
  const form = /<form\b[^>]*\bid="download-form"[^>]*>/i.exec(page);
  const action = form && /\baction="([^"]*)"/i.exec(form[0])?.[1];
  if (!form || !action) return undefined;
  const url = new URL(unescapeHtml(action), pageUrl);
  const fields = page.slice(form.index, page.indexOf('</form>', form.index) >>> 0);
  for (const [input] of fields.matchAll(/<input\b[^>]*>/gi)) {
    if (!/\btype="hidden"/i.test(input)) continue;
    const name = /\bname="([^"]*)"/i.exec(input)?.[1];
    const value = /\bvalue="([^"]*)"/i.exec(input)?.[1] ?? '';
    if (name) url.searchParams.set(unescapeHtml(name), unescapeHtml(value));
  }
  return url.href;
}

function unescapeHtml(text: string): string {
  return text
    .replaceAll('&amp;', '&')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
}
