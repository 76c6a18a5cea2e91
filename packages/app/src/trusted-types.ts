interface Policy {
  createScriptURL(url: string): string;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
}

/** What the browser enforces Trusted Types with, in the page and in workers; undefined where it does not. */
export const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes;

/** Lets a library start workers that it makes of a Blob (transparent video), and no other script that is not this page's. */
export function allowBlobWorkers(): void {
  factory?.createPolicy('default', {
    createScriptURL(url) {
      if (url.startsWith('blob:')) return url;
      throw new TypeError('scripts come from this page only');
    },
  });
}
