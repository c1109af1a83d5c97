/**
 * Where a target stands in a source's history. Every transaction whose commit record ends at or before `lsn` is applied;
 * none after it is, except where `offsets` says so. Stored as JSON beside the target's rows.
 */
export interface Position {
  /** A write-ahead log position of the source, as PostgreSQL prints it: `16/B374D848`. */
  readonly lsn: string
  /** What an engine that reads through a broker needs besides: `topic:partition` -> the next offset. */
  readonly offsets?: Readonly<Record<string, string>>
}

/** `16/B374D848` as a number that can be compared. */
export function lsnToNumber(lsn: string): bigint {
  const [high = '', low = ''] = lsn.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

/** A number of bytes into the write-ahead log, as PostgreSQL prints it. */
export function numberToLsn(position: bigint): string {
  const high = (position >> 32n).toString(16).toUpperCase()
  const low = (position & 0xffff_ffffn).toString(16).toUpperCase()
  return `${high}/${low}`
}
