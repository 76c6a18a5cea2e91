// What a release consists of, and what stands in its way.

/** Tarballs in an order in which each comes after those that it depends on. */
export function publishingOrder(tarballs) {
  const byName = new Map(tarballs.map((tarball) => [tarball.manifest.name, tarball]));
  const ordered = new Set();
  const visit = (tarball, above) => {
    if (above.includes(tarball)) throw new Error(`${tarball.manifest.name} depends on itself`);
    const { dependencies, peerDependencies, optionalDependencies } = tarball.manifest;
    for (const name of Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })) {
      if (byName.has(name)) visit(byName.get(name), [...above, tarball]);
    }
    ordered.add(tarball);
  };
  for (const tarball of [...tarballs].sort((a, b) => (a.manifest.name < b.manifest.name ? -1 : 1))) visit(tarball, []);
  return [...ordered];
}

/**
 * Why a release must not be published.
 * @param tarballs With the manifest and the changelog of each.
 * @param pending Files of changesets that belong to no version yet.
 * @param changes What git says is not committed.
 */
export function findFaults({ tarballs, pending, changes }) {
  const faults = [];
  if (changes) faults.push('there are changes that are not committed');
  if (pending.length > 0) faults.push(`${pending.join(', ')}: in no version yet; \`npm run version\` makes one`);
  const versions = new Map(tarballs.map(({ manifest: { name, version } }) => [name, version]));
  if (new Set(versions.values()).size !== 1) {
    faults.push(`versions differ: ${[...versions].map((pair) => pair.join('@')).join(', ')}`);
  }
  for (const { manifest, changelog } of tarballs) {
    const { name, version, dependencies, private: hidden } = manifest;
    if (hidden) faults.push(`${name} is private`);
    if (!changelog.split('\n').some((line) => line.trim() === `## ${version}`)) {
      faults.push(`${name}: its changelog says nothing of ${version}`);
    }
    for (const [other, range] of Object.entries(dependencies ?? {})) {
      if (versions.has(other) && range.replace(/^[\^~]/, '') !== versions.get(other)) {
        faults.push(`${name} wants ${other} ${range}, and ${versions.get(other)} is released`);
      }
    }
  }
  return faults;
}
