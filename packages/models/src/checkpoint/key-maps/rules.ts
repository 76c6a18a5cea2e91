/** A pattern and what it becomes, as for `String.replace`. */
export type Rule = readonly [pattern: RegExp, replacement: string];

/** Applies the rules in order, each to the result of the one before. */
export function rename(key: string, rules: readonly Rule[]): string {
  return rules.reduce((name, [pattern, replacement]) => name.replace(pattern, replacement), key);
}
