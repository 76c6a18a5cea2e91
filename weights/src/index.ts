/**
 * The catalogue of official checkpoints, for Node and browsers. Downloading, checking and converting files is in `@samtrack/weights/node`.
 * @module
 */
export {
  type CatalogEntry,
  type CheckpointSource,
  catalog,
  entryForModel,
  findEntry,
  type KeyMapId,
  type PublishedScore,
  parseCatalog,
} from './catalog.js';
export { WeightsError, type WeightsErrorCode, type WeightsErrorFields } from './error.js';
