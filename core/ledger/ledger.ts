import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { FicusError, systemCodeOf } from '../errors/ficus-error.ts'
import { PHASE_RULES, type Phase, type Side } from '../phases/phase.ts'
import { connectLedger, LEDGER_ANSWER_TIMEOUT, ledgerError } from './connection.ts'
import { writeEdgeReport } from './edge-report.ts'
import type {
  CapabilityState,
  EdgeReport,
  GateResult,
  JournalEntry,
  ShadowCount,
  SideTraffic,
  StoredGateResult,
  StoredSyncStatus,
  SyncStatus,
} from './records.ts'
import {
  type CapabilityRow,
  type GateRow,
  type JournalRow,
  toCapability,
  toGateResult,
  toJournalEntry,
} from './rows.ts'

/** How long counts by minute are kept, milliseconds. */
export const COUNTS_KEPT = 2 * 86_400_000

/** SQLSTATE foreign_key_violation: of the ledger's tables only `capability` is referred to. */
const NO_SUCH_CAPABILITY = '23503'

/** A move that is to be written down. */
export interface MoveRequest {
  readonly capability: string
  /** The epoch that the decision was made on; another one refuses the move. */
  readonly epoch: number
  readonly to: Phase
  readonly actor: string
  readonly action: string
  readonly reason: string | null
  readonly evidence: Readonly<Record<string, unknown>>
}

/**
 * The PostgreSQL schema `ficus` that all processes of a migration meet in. Every method throws
 * FICUS_LEDGER_UNREACHABLE while its database is away, and FICUS_CAPABILITY_UNKNOWN for a name that the ledger was
 * never opened with; nothing is ever half written.
 */
export class Ledger {
  readonly url: string
  readonly #pool: pg.Pool

  private constructor(url: string) {
    this.url = url
    this.#pool = new pg.Pool({
      connectionString: url,
      application_name: 'ficus ledger',
      max: 4,
      connectionTimeoutMillis: 5_000,
      query_timeout: LEDGER_ANSWER_TIMEOUT,
      keepAlive: true,
    })
    // An idle connection that the server closes is replaced at the next query; nothing is lost by it. One that it
    // closes within a transaction fails the query, and without a listener would end the process as well.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', client => client.on('error', () => {}))
  }

  /**
   * Opens the ledger, creates its schema where it is missing or of another version, and adds the given capabilities as `legacy`.
   * @throws FICUS_LEDGER_UNREACHABLE, FICUS_DATABASE_REFUSED.
   */
  static async open(url: string, capabilities: readonly string[]): Promise<Ledger> {
    // Not from the pool: that leaves a connection open whose authentication failed on our side.
    const client = await connectLedger(url, 'ficus ledger')
    try {
      await client.query('BEGIN')
      await prepare(client, capabilities)
      await client.query('COMMIT')
    } catch (error) {
      throw ledgerError(error, url)
    } finally {
      await client.end().catch(() => {})
    }
    return new Ledger(url)
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  /**
   * What tells this ledger from every other, a uuid. Asked anew each time: a process may outlive its ledger's database,
   * and find an empty one in its place.
   */
  async id(): Promise<string> {
    const [row] = await this.#query<{ id: string }>('SELECT id FROM ficus.ledger', [])
    if (row === undefined) throw new FicusError('FICUS_INTERNAL', 'the ledger has lost its id')
    return row.id
  }

  async capabilities(): Promise<CapabilityState[]> {
    const rows = await this.#query<CapabilityRow>(
      `SELECT name, phase, owner, epoch, phase_since FROM ficus.capability ORDER BY name`,
      [],
    )
    return rows.map(toCapability)
  }

  /** @throws FICUS_CAPABILITY_UNKNOWN */
  async capability(name: string): Promise<CapabilityState> {
    const rows = await this.#query<CapabilityRow>(
      `SELECT name, phase, owner, epoch, phase_since FROM ficus.capability WHERE name = $1`,
      [name],
    )
    if (rows[0] === undefined) throw unknownCapability(name)
    return toCapability(rows[0])
  }

  /**
   * Moves a capability to another phase and writes the journal in the same transaction. The owner follows the phase.
   * @throws FICUS_LEASE_HELD where another move came first (the epoch has changed).
   */
  async move(request: MoveRequest): Promise<CapabilityState> {
    return this.#transaction(async client => {
      const before = await client.query<CapabilityRow>(`SELECT * FROM ficus.capability WHERE name = $1 FOR UPDATE`, [
        request.capability,
      ])
      const from = before.rows[0]
      if (from === undefined) throw unknownCapability(request.capability)
      if (Number(from.epoch) !== request.epoch) {
        throw new FicusError(
          'FICUS_LEASE_HELD',
          `${request.capability} was moved to ${from.phase} by somebody else meanwhile`,
          { remedy: 'Look at `ficus journal` and `ficus status`, then run the command again if it is still wanted.' },
        )
      }
      const after = await client.query<CapabilityRow>(
        `UPDATE ficus.capability SET phase = $2, owner = $3, epoch = epoch + 1, phase_since = clock_timestamp()
         WHERE name = $1 RETURNING *`,
        [request.capability, request.to, PHASE_RULES[request.to].owner],
      )
      const state = toCapability(after.rows[0])
      await client.query(
        `INSERT INTO ficus.journal (capability, actor, action, from_phase, to_phase, epoch, reason, evidence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          request.capability,
          request.actor,
          request.action,
          from.phase,
          request.to,
          state.epoch,
          request.reason,
          JSON.stringify(request.evidence),
        ],
      )
      return state
    })
  }

  /** Writes down something that was done without a move: a dial that was set, a verification that ran. */
  async note(entry: Pick<JournalEntry, 'capability' | 'actor' | 'action' | 'reason' | 'evidence'>): Promise<void> {
    const noted = await this.#query(
      `INSERT INTO ficus.journal (capability, actor, action, epoch, reason, evidence)
       SELECT name, $2, $3, epoch, $4, $5 FROM ficus.capability WHERE name = $1 RETURNING id`,
      [entry.capability, entry.actor, entry.action, entry.reason, JSON.stringify(entry.evidence)],
    )
    if (noted.length === 0) throw unknownCapability(entry.capability)
  }

  /** The newest entries last. */
  async journal(options: { capability?: string; limit?: number } = {}): Promise<JournalEntry[]> {
    const rows = await this.#query<JournalRow>(
      `SELECT * FROM (
         SELECT * FROM ficus.journal WHERE $1::text IS NULL OR capability = $1 ORDER BY id DESC LIMIT $2
       ) latest ORDER BY id`,
      [options.capability ?? null, options.limit ?? 100],
    )
    return rows.map(toJournalEntry)
  }

  /**
   * Takes or renews the lease of a capability for `milliseconds`.
   * @throws FICUS_LEASE_HELD while another holder's has not run out.
   */
  async takeLease(capability: string, holder: string, milliseconds: number): Promise<void> {
    const taken = await this.#query(
      `INSERT INTO ficus.lease AS lease (capability, holder, expires_at)
       VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms')
       ON CONFLICT (capability) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
         WHERE lease.holder = excluded.holder OR lease.expires_at < clock_timestamp()
       RETURNING capability`,
      [capability, holder, milliseconds],
    )
    if (taken.length > 0) return
    const [lease] = await this.#query<{ holder: string; seconds: string }>(
      `SELECT holder, ceil(extract(epoch FROM expires_at - clock_timestamp()))::text AS seconds
       FROM ficus.lease WHERE capability = $1`,
      [capability],
    )
    throw new FicusError(
      'FICUS_LEASE_HELD',
      `${capability} is being moved by ${lease?.holder ?? 'another operator'}, whose lease runs out in ${lease?.seconds ?? '0'} s`,
    )
  }

  async releaseLease(capability: string, holder: string): Promise<void> {
    await this.#query(`DELETE FROM ficus.lease WHERE capability = $1 AND holder = $2`, [capability, holder])
  }

  async recordGate(capability: string, result: GateResult): Promise<StoredGateResult> {
    const rows = await this.#query<GateRow>(
      `INSERT INTO ficus.gate_result (capability, gate, verdict, summary, evidence, versions)
       VALUES ($1, $2, $3, $4, $5, $6) RETURNING *`,
      [
        capability,
        result.gate,
        result.verdict,
        result.summary,
        JSON.stringify(result.evidence),
        JSON.stringify(result.versions),
      ],
    )
    return toGateResult(rows[0])
  }

  /** The newest result of each gate, by gate name. */
  async latestGates(capability: string): Promise<ReadonlyMap<string, StoredGateResult>> {
    const rows = await this.#query<GateRow>(
      `SELECT DISTINCT ON (gate) * FROM ficus.gate_result WHERE capability = $1 ORDER BY gate, id DESC`,
      [capability],
    )
    return new Map(rows.map(row => [row.gate, toGateResult(row)]))
  }

  async reportSync(capability: string, worker: string, status: SyncStatus): Promise<void> {
    await this.#query(
      `INSERT INTO ficus.sync_status (capability, worker, status) VALUES ($1, $2, $3)
       ON CONFLICT (capability) DO UPDATE
         SET worker = excluded.worker, status = excluded.status, reported_at = clock_timestamp()`,
      [capability, worker, JSON.stringify(status)],
    )
  }

  /** Null where no sync process ever reported. `reportedAt` is the ledger's clock, as is `ageSeconds`. */
  async syncStatus(capability: string): Promise<(StoredSyncStatus & { ageSeconds: number }) | null> {
    const [row] = await this.#query<{ worker: string; status: SyncStatus; reported_at: Date; age: number }>(
      `SELECT worker, status, reported_at, extract(epoch FROM clock_timestamp() - reported_at)::float8 AS age
       FROM ficus.sync_status WHERE capability = $1`,
      [capability],
    )
    return row === undefined
      ? null
      : { ...row.status, worker: row.worker, reportedAt: row.reported_at, ageSeconds: row.age }
  }

  /** Adds an edge's counts since its last report, each to its own minute, and marks it alive. One transaction. */
  async reportEdge(report: EdgeReport): Promise<void> {
    const madeAt = performance.now()
    await this.#transaction(client => writeEdgeReport(client, report, madeAt))
  }

  /** Removes counts by minute past their keeping time, and edges that went away as long ago. */
  async forgetOldCounts(): Promise<void> {
    const before = `clock_timestamp() - interval '${COUNTS_KEPT} ms'`
    await this.#query(`DELETE FROM ficus.traffic WHERE minute < ${before}`, [])
    await this.#query(`DELETE FROM ficus.shadow WHERE minute < ${before}`, [])
    await this.#query(`DELETE FROM ficus.edge WHERE seen_at < ${before}`, [])
  }

  /** Requests and errors by side in the minutes since `since`. */
  async traffic(capability: string, since: Date): Promise<Readonly<Record<Side, SideTraffic>>> {
    const rows = await this.#query<{ side: Side; requests: string; errors: string }>(
      `SELECT side, sum(requests) AS requests, sum(errors) AS errors FROM ficus.traffic
       WHERE capability = $1 AND minute >= date_trunc('minute', $2::timestamptz) GROUP BY side`,
      [capability, since],
    )
    const of = (side: Side): SideTraffic => {
      const row = rows.find(candidate => candidate.side === side)
      return { requests: Number(row?.requests ?? 0), errors: Number(row?.errors ?? 0) }
    }
    return { monolith: of('monolith'), service: of('service') }
  }

  /**
   * Shadow comparisons by route.
   * @param within `epoch`: those of requests that were mirrored in this epoch; `since`: those in the minutes since then.
   */
  async shadow(capability: string, within: { since?: Date; epoch?: number } = {}): Promise<ShadowCount[]> {
    const rows = await this.#query<
      Record<'route' | 'matched' | 'mismatched' | 'ignored', string> & { example: unknown }
    >(
      `SELECT route, sum(matched) AS matched, sum(mismatched) AS mismatched, sum(ignored) AS ignored,
              (array_agg(example ORDER BY minute DESC) FILTER (WHERE example IS NOT NULL))[1] AS example
       FROM ficus.shadow
       WHERE capability = $1
         AND ($2::timestamptz IS NULL OR minute >= date_trunc('minute', $2::timestamptz))
         AND ($3::bigint IS NULL OR epoch = $3)
       GROUP BY route ORDER BY route`,
      [capability, within.since ?? null, within.epoch ?? null],
    )
    return rows.map(row => ({
      route: row.route,
      matched: Number(row.matched),
      mismatched: Number(row.mismatched),
      ignored: Number(row.ignored),
      example: row.example,
    }))
  }

  /** Edges that reported within `seconds`. */
  async liveEdges(seconds: number): Promise<{ id: string; epochs: Record<string, number>; flags: unknown }[]> {
    return this.#query(
      `SELECT id, epochs, flags FROM ficus.edge WHERE seen_at > clock_timestamp() - $1 * interval '1 s' ORDER BY id`,
      [seconds],
    )
  }

  async #query<Row extends pg.QueryResultRow>(sql: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      const { rows } = await this.#pool.query<Row>(sql, [...values])
      return rows
    } catch (error) {
      throw this.#ledgerError(error)
    }
  }

  async #transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw this.#ledgerError(error)
    }
    try {
      await client.query('BEGIN')
      const result = await work(client)
      await client.query('COMMIT')
      client.release()
      return result
    } catch (error) {
      // A connection that failed half way is thrown away, which rolls back whatever it held.
      client.release(true)
      throw this.#ledgerError(error)
    }
  }

  #ledgerError(error: unknown): unknown {
    if (systemCodeOf(error) !== NO_SUCH_CAPABILITY) return ledgerError(error, this.url)
    return new FicusError('FICUS_CAPABILITY_UNKNOWN', 'the ledger knows no such capability', { cause: error })
  }
}

/** Brings the schema to this version and adds what is new. */
async function prepare(client: pg.Client, capabilities: readonly string[]): Promise<void> {
  const schema = await readFile(new URL('./schema.sql', import.meta.url), 'utf8')
  const version = `ficus ledger ${createHash('sha256').update(schema).digest('hex').slice(0, 16)}`
  await client.query(`SELECT pg_advisory_xact_lock(hashtext('ficus.ledger'))`)
  const { rows } = await client.query<{ version: string | null }>(
    `SELECT obj_description(to_regnamespace('ficus'), 'pg_namespace') AS version`,
  )
  // CREATE OR REPLACE TRIGGER locks the table; a schema that is there need not make the others wait.
  if (rows[0]?.version !== version) await client.query(`${schema};\nCOMMENT ON SCHEMA ficus IS '${version}'`)
  await client.query(`INSERT INTO ficus.capability (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`, [
    capabilities,
  ])
}

function unknownCapability(name: string): FicusError {
  return new FicusError('FICUS_CAPABILITY_UNKNOWN', `the ledger knows no capability ${JSON.stringify(name)}`)
}
