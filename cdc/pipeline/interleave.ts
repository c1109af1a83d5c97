/**
 * Hands on `items`, and null whenever none is there and `wanted` says so: a moment for other work. After each item
 * there is one such moment too, so that a stream without a pause does not starve that work.
 *
 * @param leave ends `items` when the reader leaves, since they may be waiting for one that never comes.
 */
export async function* interleave<T>(
  items: AsyncIterable<T>,
  wanted: () => boolean,
  leave: () => void,
): AsyncGenerator<T | null> {
  const iterator = items[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<T>> | undefined
  try {
    for (;;) {
      next ??= iterator.next()
      const result = wanted() ? await Promise.race([next, afterPending()]) : await next
      if (result === null) {
        yield null
        continue
      }
      next = undefined
      if (result.done === true) return
      yield result.value
      if (wanted()) yield null
    }
  } finally {
    leave()
    // Whoever still waits for it has gone; its failure is the end of the stream that nobody reads any more.
    next?.catch(() => {})
    await iterator.return?.()
  }
}

/** Null once everything that is ready now has had its turn. */
function afterPending(): Promise<null> {
  return new Promise(resolve => setImmediate(() => resolve(null)))
}
