// Makes the documentation site: static files in docs/dist/site. `npm run docs`.
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Application, CommentTag, Converter, ReflectionKind } from 'typedoc';
import { writePages } from './src/pages.mjs';
import { REPOSITORY, ROOT } from './src/repository.mjs';
import { MODULES } from './src/surface.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const PAGES = join(HERE, 'dist', 'pages');
const SITE = join(HERE, 'dist', 'site');
const TFJS = 'https://js.tensorflow.org/api/latest/';
const GPUWEB = 'https://www.w3.org/TR/webgpu/';

const app = await Application.bootstrapWithPlugins({
  name: 'SAMTrack',
  entryPoints: MODULES.map(({ file }) => relative(process.cwd(), file)),
  projectDocuments: await writePages(PAGES),
  readme: join(PAGES, 'index.md'),
  tsconfig: join(HERE, 'tsconfig.json'),
  basePath: ROOT,
  sourceLinkTemplate: `${REPOSITORY}/blob/main/{path}#L{line}`,
  router: 'structure',
  navigationLinks: { Repository: REPOSITORY },
  customCss: join(HERE, 'style.css'),
  favicon: join(ROOT, 'packages', 'app', 'static', 'icon.svg'),
  highlightLanguages: ['typescript', 'javascript', 'html', 'json', 'bash', 'text', 'wgsl'],
  groupOrder: ['Guide', 'Reference', 'Modules', 'Operations', '*'],
  navigation: { includeGroups: true, includeCategories: false, includeFolders: false },
  sort: ['documents-first', 'alphabetical-ignoring-documents'],
  sortEntryPoints: false,
  kindSortOrder: ['Document', 'Module', 'Function', 'Class', 'Interface', 'TypeAlias', 'Variable', 'Reference'],
  excludeExternals: true,
  excludePrivate: true,
  excludeProtected: true,
  excludeInternal: true,
  skipErrorChecking: true,
  includeVersion: false,
  githubPages: false,
  hideGenerator: false,
  visibilityFilters: {},
  externalSymbolLinkMappings: {
    '@tensorflow/tfjs-core': { Tensor: `${TFJS}#class:Tensor`, TensorInfo: `${TFJS}#class:Tensor`, '*': TFJS },
    '@webgpu/types': {
      GPUDevice: `${GPUWEB}#gpudevice`,
      GPUAdapter: `${GPUWEB}#gpuadapter`,
      GPUBuffer: `${GPUWEB}#gpubuffer`,
      '*': GPUWEB,
    },
  },
  validation: { invalidLink: true, invalidPath: true, notExported: false, notDocumented: false },
});

// Operations are constants of a type that can be called; readers look for them by themselves.
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, reflection) => {
  if (reflection.kind !== ReflectionKind.Variable || reflection.type?.type !== 'reference') return;
  if (reflection.type.name === 'Op') {
    reflection.comment?.blockTags.push(new CommentTag('@group', [{ kind: 'text', text: 'Operations' }]));
  }
});

// Modules are called as they are imported.
app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
  const modules = project.getReflectionsByKind(ReflectionKind.Module);
  for (const module of modules) {
    const file = module.sources?.[0]?.fullFileName;
    const known = MODULES.find((candidate) => candidate.file === file);
    if (known) module.name = known.name;
  }
});

const project = await app.convert();
if (!project) process.exit(1);
app.validate(project);
await app.generateDocs(project, SITE);
if (app.logger.hasErrors()) process.exit(1);
console.log(`Open ${pathToFileURL(join(SITE, 'index.html'))}`);
