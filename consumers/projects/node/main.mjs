import { embeddedWeights } from '@samtrack/weights/node';
import * as samtrack from 'samtrack';
import { trackThreeFrames } from './track.js';

console.log(JSON.stringify(await trackThreeFrames(samtrack, embeddedWeights('deaot-t').path)));
