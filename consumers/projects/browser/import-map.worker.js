// Import maps are for pages: a worker says where the module is.
import * as samtrack from '/modules/samtrack/dist/standalone/samtrack.js';
import { answer } from './answer.js';

answer(samtrack);
