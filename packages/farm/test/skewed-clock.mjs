/** Puts the clock of a process wrong, by SKEW_HOURS. */
const skew = Number(process.env.SKEW_HOURS) * 3_600_000;
const RealDate = Date;
const now = () => RealDate.now() + skew;
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...(args.length === 0 ? [now()] : args));
  }
  static now() {
    return now();
  }
};
