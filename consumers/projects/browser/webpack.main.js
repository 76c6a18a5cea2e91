import { page } from './page.js';

const weights = new URL('@samtrack/weights/embedded/deaot-t.safetensors', import.meta.url);
page(weights.href, () => new Worker(new URL('./worker.js', import.meta.url)));
