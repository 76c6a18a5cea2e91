// The pages of the site beside the API reference: texts of the repository, and what is made from commands, results and imports.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { architecturePage } from './architecture.mjs';
import { benchmarkPages } from './benchmarks.mjs';
import { commandPages } from './commands.mjs';
import { REPOSITORY, ROOT } from './repository.mjs';

/** The guide, in the order in which it is read. */
export const GUIDE = ['track', 'browser', 'sessions', 'evaluate', 'farm', 'weights', 'kernels'];

/** A document of the repository: its first line is the title. */
function written(source, path) {
  const [heading, ...rest] = readFileSync(join(ROOT, source), 'utf8').split('\n');
  return { path, source, title: heading.replace(/^# /, ''), text: rest.join('\n') };
}

/**
 * All pages, those of a group one after the other. A page's `path` is its place among the pages, its `source` that in the repository, if
 * it is written there.
 */
async function sitePages() {
  return [
    { group: 'Guide', pages: GUIDE.map((name) => written(`docs/guide/${name}.md`, `guide/${name}.md`)) },
    {
      group: 'Reference',
      pages: [
        await commandPages(),
        await architecturePage(),
        benchmarkPages(),
        { ...written('FEATURES.md', 'features.md'), title: 'Features' },
      ],
    },
  ];
}

/** Links between pages lead to pages, and those to other files of the repository to where it is published. */
function withLinks(text, page, byFile, folder) {
  const code = /^(```| {4}\S)/;
  let fenced = false;
  return text
    .split('\n')
    .map((line) => {
      if (line.startsWith('```')) fenced = !fenced;
      if (fenced || code.test(line)) return line;
      return line.replace(
        /(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)/g,
        (_, picture, label, target, hash = '') => {
          const file = posix.normalize(
            posix.join(posix.dirname(page.source ?? `docs/dist/pages/${page.path}`), target),
          );
          const to =
            byFile.get(file) ??
            byFile.get(`docs/dist/pages/${posix.normalize(posix.join(posix.dirname(page.path), target))}`);
          if (to) return `[${label}](${posix.relative(posix.dirname(page.path), to.path)}${hash})`;
          if (!existsSync(join(ROOT, file))) throw new Error(`${page.source ?? page.path}: no ${target} to link to`);
          if (picture) return `![${label}](${relative(join(folder, dirname(page.path)), join(ROOT, file))})`;
          return `[${label}](${REPOSITORY}/blob/main/${file}${hash})`;
        },
      );
    })
    .join('\n');
}

/**
 * Writes all pages into an empty folder, as TypeDoc reads them.
 * @returns paths of those that no other page has for a child
 */
export async function writePages(folder) {
  rmSync(folder, { recursive: true, force: true });
  const groups = await sitePages();
  const index = written('docs/index.md', 'index.md');
  const pages = groups.flatMap(({ group, pages: inside }) =>
    inside.flatMap((page) => [{ ...page, group }, ...(page.children ?? []).map((child) => ({ ...child, group }))]),
  );
  const byFile = new Map(
    pages.flatMap((page) => [[`docs/dist/pages/${page.path}`, page], ...(page.source ? [[page.source, page]] : [])]),
  );
  for (const page of [index, ...pages]) {
    const { path, title, group, children = [], text } = page;
    const head = [
      '---',
      `title: ${JSON.stringify(title)}`,
      ...(group ? [`group: ${group}`] : []),
      ...(children.length > 0 ? ['children:', ...children.map((child) => `  - ./${child.path}`)] : []),
      '---',
      '',
      `# ${title}`,
      '',
    ];
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(
      target,
      // The front page has the project's name above it already.
      (page === index ? [] : head).join('\n') +
        withLinks(text, page, byFile, folder).replace(/^```ts (run|browser)( slow)?$/gm, '```ts'),
    );
  }
  return groups.flatMap(({ pages: inside }) => inside.map(({ path }) => join(folder, path)));
}
