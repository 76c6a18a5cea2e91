// Prints the adapter that Dawn finds and exits 0, or exits 1. Run in packages/kernels, where `webgpu` is installed.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.cwd(), 'package.json'));
const { create } = await import(pathToFileURL(require.resolve('webgpu')).href);
const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' });
if (adapter) console.log(adapter.info.description || adapter.info.device || adapter.info.vendor);
process.exit(adapter ? 0 : 1);
