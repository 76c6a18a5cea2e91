import weights from '@samtrack/weights/embedded/deaot-t.safetensors';
import { page } from './page.js';

page(new URL(weights, location.href).href, () => new Worker('worker.js', { type: 'module' }));
