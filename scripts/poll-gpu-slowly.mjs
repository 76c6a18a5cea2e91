// Set-up of every test file: Dawn asks its GPU for news once a millisecond. By itself it does so without a pause, through
// `setImmediate`, which takes a quarter of the CPU time from a software rasteriser on the same cores.
const { setImmediate, setTimeout } = globalThis;

/** Dawn's callback is a function of its own binary: without a name, arguments and source. */
const isDawn = (callback) =>
  callback.name === '' && callback.length === 0 && Function.prototype.toString.call(callback).includes('[native code]');

globalThis.setImmediate = Object.assign(
  (callback, ...rest) => (isDawn(callback) ? setTimeout(callback, 1) : setImmediate(callback, ...rest)),
  setImmediate,
);
