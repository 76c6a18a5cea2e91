import weights from '@samtrack/weights/embedded/deaot-t.safetensors?url';
import { page } from './page.js';

page(
  new URL(weights, location.href).href,
  () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }),
);
