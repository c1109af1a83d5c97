import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Client } from 'pg'
import type { ProgressKey } from '../apply/progress.ts'
import type { Flow } from '../mapping/flow.ts'
import type { KeyRange } from './ranges.ts'

/** A range of a table, and what an earlier run found there. */
export interface StoredRange extends KeyRange {
  readonly number: number
  /** Rows, where both sides were found equal. */
  readonly equalRows: number | null
  readonly comparedAt: Date | null
}

/**
 * The ranges of one table in the target database. A range that was equal is not compared again by a run that goes on:
 * it counts as compared at the time and position when it was.
 */
export class DiffState {
  readonly #client: Client
  readonly #key: ProgressKey
  readonly #flow: string

  constructor(client: Client, key: ProgressKey, flow: Flow, epoch: number) {
    this.#client = client
    this.#key = key
    // Of a function the text is all there is to see.
    this.#flow = createHash('sha256')
      .update(JSON.stringify([flow, String(flow.compute), epoch]))
      .digest('hex')
      .slice(0, 16)
  }

  static async create(client: Client): Promise<void> {
    await client.query(await readFile(new URL('./schema.sql', import.meta.url), 'utf8'))
  }

  /** What a run that was broken off left; empty where there is nothing to go on with. */
  async load(): Promise<StoredRange[]> {
    const { rows } = await this.#client.query<{
      number: number
      above: string[] | null
      up_to: string[] | null
      equal_rows: string | null
      compared_at: Date | null
    }>(
      `SELECT number, above, up_to, equal_rows, compared_at FROM ficus.diff_range
       WHERE (capability, direction, flow) = ($1, $2, $3) ORDER BY number`,
      this.#names(),
    )
    return rows.map(row => ({
      number: row.number,
      above: row.above,
      upTo: row.up_to,
      equalRows: row.equal_rows === null ? null : Number(row.equal_rows),
      comparedAt: row.compared_at,
    }))
  }

  async begin(ranges: readonly KeyRange[]): Promise<StoredRange[]> {
    await this.forget()
    await this.#client.query(
      `INSERT INTO ficus.diff_range (capability, direction, flow, number, above, up_to)
       SELECT $1, $2, $3, r.number - 1, nullif(r.range -> 'above', 'null'), nullif(r.range -> 'upTo', 'null')
       FROM jsonb_array_elements($4::jsonb) WITH ORDINALITY AS r (range, number)`,
      [...this.#names(), JSON.stringify(ranges)],
    )
    return ranges.map((range, number) => ({ ...range, number, equalRows: null, comparedAt: null }))
  }

  /** Another comparison may have put its own ranges here meanwhile: of those it says nothing. */
  async equal({ number, above, upTo }: StoredRange, rows: number, position: string | null): Promise<void> {
    const bound = (key: readonly string[] | null) => (key === null ? null : JSON.stringify(key))
    await this.#client.query(
      `UPDATE ficus.diff_range SET equal_rows = $5, position = $6, compared_at = clock_timestamp()
       WHERE (capability, direction, flow, number) = ($1, $2, $3, $4)
         AND above IS NOT DISTINCT FROM $7::jsonb AND up_to IS NOT DISTINCT FROM $8::jsonb`,
      [...this.#names(), number, rows, position, bound(above), bound(upTo)],
    )
  }

  /** The run is over, or begins anew. */
  async forget(): Promise<void> {
    await this.#client.query(
      'DELETE FROM ficus.diff_range WHERE (capability, direction, flow) = ($1, $2, $3)',
      this.#names(),
    )
  }

  #names(): string[] {
    return [this.#key.capability, this.#key.direction, this.#flow]
  }
}

/** Within a transaction: forgets all that comparisons of this sync have done. */
export async function forgetComparisons(client: Client, { capability, direction }: ProgressKey): Promise<void> {
  const { rowCount } = await client.query(`SELECT FROM pg_class WHERE oid = to_regclass('ficus.diff_range')`)
  if (rowCount === 0) return
  await client.query('DELETE FROM ficus.diff_range WHERE (capability, direction) = ($1, $2)', [capability, direction])
}
