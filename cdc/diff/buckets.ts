/** What one side holds of one bucket of keys. */
export interface Bucket {
  readonly rows: bigint
  /** The sum of the rows' 64-bit hashes. */
  readonly hash: bigint
}

/** Rows to a bucket, about: few enough to be listed when two buckets differ. */
const ROWS_PER_BUCKET = 512
const MAX_BUCKETS = 65_536

/** How many buckets suit a table: a power of two. */
export function bucketCount(estimatedRows: number): number {
  let count = 1
  while (count < MAX_BUCKETS && count * ROWS_PER_BUCKET < estimatedRows) count *= 2
  return count
}

/** Adds what a part of a table holds to what other parts hold. */
export function addBucket(buckets: Map<number, Bucket>, id: number, part: Bucket): void {
  const known = buckets.get(id)
  buckets.set(id, known === undefined ? part : { rows: known.rows + part.rows, hash: known.hash + part.hash })
}

/** The buckets in which the sides are not the same. */
export function differingBuckets(source: ReadonlyMap<number, Bucket>, target: ReadonlyMap<number, Bucket>): number[] {
  const differs = (id: number) => {
    const a = source.get(id)
    const b = target.get(id)
    return a?.rows !== b?.rows || a?.hash !== b?.hash
  }
  return [...new Set([...source.keys(), ...target.keys()])].filter(differs)
}

/** The keys of which the sides do not hold the same. Maps are from a key's text to its row's hash. */
export function differingKeys(source: ReadonlyMap<string, string>, target: ReadonlyMap<string, string>): string[] {
  const changed = [...source].filter(([key, hash]) => target.get(key) !== hash).map(([key]) => key)
  return [...changed, ...[...target.keys()].filter(key => !source.has(key))]
}
