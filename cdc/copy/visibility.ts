/** What `pg_current_snapshot()` says (PostgreSQL documentation, "Transaction ID and Snapshot Information Functions"). */
export interface Snapshot {
  /** Transactions before it are over. */
  readonly xmin: bigint
  /** It and all behind it had not ended, or not begun. */
  readonly xmax: bigint
  /** Those between that were under way. */
  readonly underWay: ReadonlySet<bigint>
}

/** @param text `xmin:xmax:xip,xip,…` */
export function readSnapshot(text: string): Snapshot {
  const [xmin = '0', xmax = '0', list = ''] = text.split(':')
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), underWay: new Set(list === '' ? [] : list.split(',').map(BigInt)) }
}

const EPOCH = 1n << 32n

/**
 * Keeps the transactions that may be invisible though they came by the stream already: a row can be decoded from the
 * log before a SELECT sees it, because a transaction writes its commit before it leaves the list of those under way.
 */
export class Unsettled {
  #transactions = new Set<number>()
  /** The newest known: whatever it sees, all later ones see. */
  #snapshot: Snapshot | undefined

  /** How many transactions are kept. */
  get count(): number {
    return this.#transactions.size
  }

  /** Nothing is known of what came before: whatever is under way now may have been decoded. */
  begin(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    for (const xid of snapshot.underWay) this.#transactions.add(Number(xid % EPOCH))
  }

  /** @param xid 32 bits, as the stream has it. */
  decoded(xid: number): void {
    if (this.#snapshot === undefined || !isVisible(xid, this.#snapshot)) this.#transactions.add(xid)
  }

  /** Whether `snapshot` sees every transaction that was decoded. Those that it sees are forgotten. */
  settledIn(snapshot: Snapshot): boolean {
    this.#snapshot = snapshot
    for (const xid of this.#transactions) {
      if (isVisible(xid, snapshot)) this.#transactions.delete(xid)
    }
    return this.#transactions.size === 0
  }
}

function isVisible(xid: number, { xmax, underWay }: Snapshot): boolean {
  // The stream's 32 bits are meant within half their range of the snapshot's end.
  const ahead = (BigInt(xid) - xmax) & (EPOCH - 1n)
  const whole = ahead < EPOCH / 2n ? xmax + ahead : xmax + ahead - EPOCH
  return whole < xmax && !underWay.has(whole)
}
