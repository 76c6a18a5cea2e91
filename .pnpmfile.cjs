const { relative } = require('node:path');
const { repository } = require('./package.json');

/** Takes what only a checkout can use out of an export or import: the branch that leads to the sources. */
function withoutSources(target) {
  if (typeof target !== 'object' || target === null) return target;
  return Object.fromEntries(
    Object.entries(target)
      .filter(([condition]) => condition !== 'samtrack-source')
      .map(([condition, inner]) => [condition, withoutSources(inner)]),
  );
}

module.exports = {
  hooks: {
    /** The manifest as it is published. Where the repository is, the root's manifest alone says. */
    beforePacking({ scripts, devDependencies, packageManager, ...manifest }, folder) {
      const page = repository.url.replace(/^git\+|\.git$/g, '');
      Object.assign(manifest, {
        repository: { ...repository, directory: relative(__dirname, folder).replaceAll('\\', '/') },
        homepage: `${page}#readme`,
        bugs: `${page}/issues`,
      });
      for (const field of ['exports', 'imports'])
        if (manifest[field]) manifest[field] = withoutSources(manifest[field]);
      return manifest;
    },
  },
};
