/** What an operation is called with, and what it gives. */
export type Signature<F> = F extends (...args: infer Args) => infer Result ? (...args: Args) => Result : never;

/** The same with options that every set of operations has. */
export type Portable<F> = F extends (...args: [...infer Head, infer Options]) => infer Result
  ? (...args: [...Head, options?: Omit<NonNullable<Options>, 'variant' | 'into'>]) => Result
  : never;
