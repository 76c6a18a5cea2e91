/** What an operation is called with, and what it gives. */
export type Signature<F> = F extends (...args: infer Args) => infer Result ? (...args: Args) => Result : never;

/** The same without the options that only kernels have. */
export type Portable<F> = F extends (...args: infer Args) => infer Result
  ? (...args: { [I in keyof Args]: WithoutKernels<Args[I]> }) => Result
  : never;

type WithoutKernels<Argument> =
  Extract<keyof NonNullable<Argument>, 'variant' | 'into'> extends never
    ? Argument
    : Omit<NonNullable<Argument>, 'variant' | 'into'>;
