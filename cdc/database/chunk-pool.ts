/** What most chunks of a COPY hold. */
export const CHUNK_BYTES = 64 * 1024
/** So many wait for being used again: a socket holds a few, and the rest would be memory for nothing. */
const MAX_WAITING = 8

const waiting: Buffer[] = []
/** Memory that belongs to the pool; a chunk may also be a view of somebody else's. */
const owned = new WeakSet<ArrayBufferLike>()

/**
 * A chunk to be filled. Chunks are used again and again: the garbage collector gives such memory back much later than it
 * is let go, and the system clears each new page.
 */
export function takeChunk(): Buffer {
  const chunk = waiting.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES)
  owned.add(chunk.buffer)
  return chunk
}

/** Gives a chunk back, or a part of one, once nobody reads it any more. What is not the pool's is left alone. */
export function giveChunkBack(part: Buffer): void {
  if (owned.delete(part.buffer) && waiting.length < MAX_WAITING) waiting.push(Buffer.from(part.buffer))
}
