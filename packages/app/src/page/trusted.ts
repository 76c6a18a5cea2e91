/**
 * The page's only sources of script, for browsers that enforce Trusted Types: workers by their names, and, by the default policy,
 * workers that a library makes of a Blob (transparent video).
 */
interface Policy {
  createScriptURL(url: string): string;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
}

const WORKERS: readonly string[] = ['engine.js', 'net.js', 'service-worker.js'];

const own = (name: string): string => {
  if (!WORKERS.includes(name)) throw new TypeError(`${name} is no script of this page`);
  return new URL(name, document.baseURI).href;
};

const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;
const policy: Policy = factory?.createPolicy('samtrack', { createScriptURL: own }) ?? { createScriptURL: own };

factory?.createPolicy('default', {
  createScriptURL(url) {
    if (url.startsWith('blob:')) return url;
    throw new TypeError('scripts come from this page only');
  },
});

/** Where a script of this page is. */
export const scriptUrl = (name: string): string => policy.createScriptURL(name);
