import type { Client } from 'pg'

/** Transactions a second while lag is measured. */
export const PER_SECOND = 1_000

/** How many rows each measurement moves. */
export interface Sizes {
  readonly copied: number
  readonly batchInserts: number
  readonly singleRows: number
  readonly updated: number
  /** Seconds at PER_SECOND whose lag counts; one more comes before. */
  readonly lagSeconds: number
}

export const FULL: Sizes = {
  copied: 1_000_000,
  batchInserts: 500_000,
  singleRows: 200_000,
  updated: 300_000,
  lagSeconds: 10,
}
export const QUICK: Sizes = {
  copied: 150_000,
  batchInserts: 100_000,
  singleRows: 30_000,
  updated: 50_000,
  lagSeconds: 2,
}

/** The row that a workload writes last: once the target has it so, it has all. */
export interface LastRow {
  readonly id: number
  readonly stock: number
}

/** Something that happens to the source while nobody reads the slot. */
export interface Workload {
  readonly what: string
  readonly rows: number
  /** How much faster than PostgreSQL's own replication it is to be applied. */
  readonly target: string
  write(source: Client): Promise<LastRow>
}

export const BATCH_INSERTS = 'batch inserts'

/** Rows in a transaction of the batch inserts, as of an import. */
const BATCH_ROWS = 1_000

/** The workloads in the order in which they are written, each on top of the one before. */
export function workloadsOf({ copied, batchInserts, singleRows, updated }: Sizes): readonly Workload[] {
  return [
    {
      what: BATCH_INSERTS,
      rows: batchInserts,
      target: '>= 1.3',
      write: source => writeProducts(source, copied + 1, batchInserts, BATCH_ROWS),
    },
    {
      what: 'single-row transactions',
      rows: singleRows,
      target: '>= 1.4',
      write: source => writeProducts(source, copied + batchInserts + 1, singleRows, 1),
    },
    {
      what: 'bulk update',
      rows: updated,
      target: '>= 1.1',
      write: async source => {
        await source.query(
          `UPDATE products SET price = price + 1, stock = stock + 1, updated_at = clock_timestamp() WHERE id <= $1`,
          [updated],
        )
        return { id: updated, stock: 1 }
      },
    },
  ]
}

/** As many new rows as were copied, in transactions of an import. */
export function backlogOf(copied: number): Workload {
  return {
    what: 'backlog of batch inserts',
    rows: copied,
    target: '>= 1',
    write: source => writeProducts(source, copied + 1, copied, BATCH_ROWS),
  }
}

/** Adds `count` products from id `first` on. @param perSecond transactions; as fast as it goes unless given. */
export async function writeProducts(
  source: Client,
  first: number,
  count: number,
  perTransaction: number,
  perSecond: number | null = null,
): Promise<LastRow> {
  await source.query(`CALL write_products($1, $2, $3, $4)`, [first, count, perTransaction, perSecond])
  return { id: first + count - 1, stock: 0 }
}
