import { page } from './page.js';

page(
  import.meta.resolve('@samtrack/weights/embedded/deaot-t.safetensors'),
  () => new Worker('worker.js', { type: 'module' }),
);
