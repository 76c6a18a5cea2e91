import { factory } from '../trusted-types.js';

/** The page's own scripts that are started by name. */
const SCRIPTS: readonly string[] = ['engine.js', 'net.js', 'service-worker.js'];

const own = (name: string): string => {
  if (!SCRIPTS.includes(name)) throw new TypeError(`${name} is no script of this page`);
  return new URL(name, document.baseURI).href;
};

const policy = factory?.createPolicy('samtrack', { createScriptURL: own }) ?? { createScriptURL: own };

/** Where a script of this page is, as browsers that enforce Trusted Types want it. */
export const scriptUrl = (name: string): string => policy.createScriptURL(name);
