import * as samtrack from 'samtrack';
import { answer } from './answer.js';

answer(samtrack);
