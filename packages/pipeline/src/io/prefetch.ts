/**
 * Runs `load` for 0, 1, 2, ... up to `count - 1` with up to `ahead` calls under way beyond the one delivered, and yields the results
 * in order. An error is thrown in its turn, after every earlier result was delivered.
 */
export async function* prefetch<T>(
  count: number,
  ahead: number,
  load: (i: number) => Promise<T>,
): AsyncGenerator<T, void, undefined> {
  const pending: Promise<T>[] = [];
  let next = 0;
  for (let i = 0; i < count; i++) {
    while (next < count && next <= i + ahead) {
      const task = load(next++);
      // The error surfaces when its turn comes; until then it must not count as unhandled.
      task.catch(() => {});
      pending.push(task);
    }
    yield await pending.shift()!;
  }
}
