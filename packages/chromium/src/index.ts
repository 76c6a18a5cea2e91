export { ChromiumError, findChromium, hasChromium } from './find.js';
export { openPage, type Page, type PageOptions } from './page.js';
