import { setTimeout as sleep } from 'node:timers/promises'
import type { Triggers } from '@ficus/core/config/schema'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { Applier, type ApplierOptions } from '../apply/applier.ts'
import { readBlockages } from '../apply/parked.ts'
import { readProgress, type SyncKey } from '../apply/progress.ts'
import { joinChanges, type RawChange } from '../apply/raw-change.ts'
import { applierOptions } from '../apply/retry-parked.ts'
import type { EventRow } from '../change-event/change-event.ts'
import type { Relation } from '../change-source/change-source.ts'
import { encodeTextTuple } from '../change-source/tuple.ts'
import { type ShapedFlow, shapeFlows } from '../copy/first-copy.ts'
import { judgeFailure } from '../database/failure.ts'
import { type Endpoint, withSession } from '../database/session.ts'
import { passWaypoint } from '../lag/lag.ts'
import { flowsOf, keyExpressions, type Sync, targetKey } from '../mapping/flow.ts'
import type { Bench } from './computed-side.ts'
import { type DiffSide, sourceSide } from './diff-sql.ts'
import { type Difference, keyId, type RowImage, readRows, recheck } from './recheck.ts'
import { TableComparison, type TableDiff } from './table-comparison.ts'

export interface RepairOptions extends SyncKey {
  readonly source: Endpoint
  readonly target: Endpoint
  readonly sync: Sync
  readonly triggers?: Triggers
  /** How long the target may take to catch up with the source, ms. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** What became of the rows of one table that differed. */
export interface RepairedTable {
  readonly source: string
  readonly target: string
  /** Rows that are equal now. */
  readonly repaired: number
  /** Rows that still differ, or changed each time they were looked at. */
  readonly left: number
  /** Why rows were not repaired, each once. */
  readonly reasons: readonly string[]
}

const TIMEOUT_MS = 60_000
const KEYS_AT_ONCE = 200
/** A row that is written all the time may need more than one try. */
const ROUNDS = 5
/** How long sync waits for transactions of the source that may be decoded and not be visible yet. */
const SETTLE_MS = 2_000
const WRITTEN = 'the source’s row was written each time it was read'

/**
 * Brings rows that were found different to what the source holds, by the merge that the stream takes, under the row lock
 * of the position and with sync's mark; then compares them again.
 *
 * A row read from the source must be neither older than what the target has applied (that would undo it for good) nor
 * newer (the stream would bring its insert a second time, which the merge takes for a conflict). So it counts only if it
 * is the same before and after this: the target has passed a mark written after the first reading; sync is locked out;
 * every transaction of the source that was under way then has ended, since one may be decoded before it is visible. Then
 * nothing wrote the row since the first reading, so the target's position lies behind its last change, and no change of
 * it is on its way. A row that was written meanwhile is tried again.
 *
 * @throws FICUS_SYNC_BEHIND where the target does not catch up, or the sync ends meanwhile.
 */
export async function repairRows(options: RepairOptions, tables: readonly TableDiff[]): Promise<RepairedTable[]> {
  const how = await applierOptions(options)
  return withSession(options.source, source =>
    withSession(options.target, async target => {
      const flows = await shapeFlows(source, target, flowsOf(options.sync, options.direction))
      const repaired: RepairedTable[] = []
      for (const table of tables) {
        const flow = flows.find(
          ({ flow: { from, to } }) => showTable(from) === table.source && showTable(to) === table.target,
        )
        if (flow === undefined || table.differing.length === 0) continue
        const repair = (client: Client) =>
          new TableRepair(options, how, { source, target, bench: { client, inSnapshot: false } }, flow).run(
            table.differing,
          )
        repaired.push(await withSession(options.target, repair))
      }
      return repaired
    }),
  )
}

interface Sessions {
  readonly source: Client
  readonly target: Client
  readonly bench: Bench
}

class TableRepair {
  readonly #options: RepairOptions
  readonly #how: ApplierOptions
  readonly #sessions: Sessions
  readonly #flow: ShapedFlow
  readonly #relation: Relation
  /** The whole source row, whether the filter lets it through or not. */
  readonly #side: DiffSide
  readonly #waiting: { readonly timeoutMs: number; readonly signal: AbortSignal }
  readonly #reasons = new Set<string>()
  /** Why rows could not be brought at the last try. */
  #why = WRITTEN

  constructor(options: RepairOptions, how: ApplierOptions, sessions: Sessions, flow: ShapedFlow) {
    this.#options = options
    this.#how = how
    this.#sessions = sessions
    this.#flow = flow
    this.#waiting = {
      timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
      signal: options.signal ?? new AbortController().signal,
    }
    const columns = flow.source.columns.filter(column => !column.generated)
    const isKey = (name: string) => flow.flow.key.some(({ from }) => from === name)
    this.#relation = {
      table: flow.flow.from,
      format: 'text',
      columns: columns.map(({ name, wireType, preciseType }) => ({
        name,
        type: wireType,
        preciseType,
        identity: isKey(name),
      })),
    }
    const alias = quoteIdentifier(flow.flow.from.table)
    // Where a row has several in the target it is read, and brought, with all of them.
    const { each: _, ...single } = { ...flow.flow, columns: keyExpressions(flow.flow) }
    this.#side = {
      ...sourceSide(single, flow.source, flow.target),
      where: 'true',
      values: columns.map(({ name }) => `${alias}.${quoteIdentifier(name)}::text`),
    }
  }

  async run(differing: readonly Difference[]): Promise<RepairedTable> {
    const { flow } = this.#flow
    const keys = differing.map(({ key }) => targetKey(flow).map(({ to }) => key[to] ?? ''))
    let left = 0
    for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) {
      const some = keys.slice(at, at + KEYS_AT_ONCE)
      const ofSource = some.map(key => key.slice(0, flow.key.length))
      await this.#repair([...new Map(ofSource.map(key => [keyId(key), key])).values()])
      const { differing: still, undecided } = await this.#compare(some)
      left += still.length + undecided
    }
    const { from, to } = flow
    const names = { source: showTable(from), target: showTable(to) }
    return { ...names, repaired: keys.length - left, left, reasons: [...this.#reasons] }
  }

  #compare(keys: readonly (readonly string[])[]) {
    const table = new TableComparison(this.#flow, false)
    const compared = { ...this.#sessions, ...table.sides, ...table.columns }
    return recheck({ ...compared, progress: this.#options, ...this.#waiting }, keys)
  }

  async #repair(keys: readonly (readonly string[])[]): Promise<void> {
    const { source, target } = this.#sessions
    let open = keys
    for (let round = 1; round <= ROUNDS && open.length > 0; round++) {
      const before = await readRows(source, this.#side, open)
      await passWaypoint(source, target, { ...this.#options, ...this.#waiting })
      open = await this.#bring(open, before)
    }
    if (open.length > 0) this.#reasons.add(this.#why)
  }

  /** @returns the keys whose rows were written meanwhile. */
  async #bring(keys: readonly (readonly string[])[], before: Images): Promise<readonly (readonly string[])[]> {
    this.#waiting.signal.throwIfAborted()
    let moved: readonly (readonly string[])[] = []
    const applier = await Applier.open(this.#how)
    try {
      await applier.applyParked(
        async locked => {
          const { source } = this.#sessions
          // A switch may have ended it meanwhile: the rows are the target's own then.
          if ((await readProgress(locked, this.#options))?.state !== 'streaming') throw notStreaming(this.#options)
          const open = await unsettled(source)
          this.#why = open.length === 0 ? WRITTEN : `transactions of the source were under way: ${open.join(', ')}`
          if (open.length > 0) {
            moved = keys
            return { data: Buffer.alloc(0), changes: [] }
          }
          const now = await readRows(source, this.#side, keys)
          const isSame = (key: readonly string[]) => before.get(keyId(key))?.version === now.get(keyId(key))?.version
          moved = keys.filter(key => !isSame(key))
          const parked = await this.#parkedKeys(locked)
          const free = keys.filter(isSame).filter(key => !parked.has(keyId(key)))
          if (free.length + moved.length < keys.length) {
            this.#reasons.add('a change of the row is parked: `ficus parked` lists it')
          }
          return joinChanges(free.flatMap(key => this.#change(key, now.get(keyId(key))) ?? []))
        },
        async () => {},
      )
      return moved
    } catch (error) {
      if (judgeFailure(error) !== 'data') throw error
      if (keys.length === 1) {
        this.#reasons.add(messageOf(error))
        return []
      }
    } finally {
      await applier.close()
    }
    // One of them is refused; the others should not suffer for it.
    const middle = Math.ceil(keys.length / 2)
    return [...(await this.#bring(keys.slice(0, middle), before)), ...(await this.#bring(keys.slice(middle), before))]
  }

  /** What the stream would have sent last of a row. */
  #change(key: readonly string[], image: RowImage | undefined): RawChange | null {
    const relation = this.#relation
    if (image !== undefined)
      return { kind: 'update', relation, oldTuple: null, newTuple: encodeTextTuple(image.values) }
    const { key: columns, shared, from, to } = this.#flow.flow
    if (shared) {
      const [half, whole] = [showTable(from), showTable(to)]
      this.#reasons.add(
        `${half} has no row for this key, and other tables may: put it back there, or delete the row of ${whole} by hand`,
      )
      return null
    }
    if (columns.some(({ computed }) => computed)) {
      this.#reasons.add('the source has no row for a key that is computed: delete the row in the target by hand')
      return null
    }
    const values = relation.columns.map(({ name }) => key[columns.findIndex(({ from }) => from === name)] ?? null)
    return { kind: 'delete', relation, oldTuple: encodeTextTuple(values), newTuple: null }
  }

  /** Keys that parked changes block, before and after: those have to be applied, or discarded, first. */
  async #parkedKeys(locked: Client): Promise<ReadonlySet<string>> {
    const { from, key } = this.#flow.flow
    const table = showTable(from)
    const names = key.map(column => column.from)
    const blocked = (await readBlockages(locked, this.#options))
      .filter(change => change.table === table)
      .flatMap(({ blocks }) => blocks.map((text): EventRow => JSON.parse(text)))
    // Others are keys by which other flows of the table know their rows.
    const ofFlow = blocked.filter(row => names.every(name => Object.hasOwn(row, name)))
    return new Set(ofFlow.map(row => keyId(names.map(name => String(row[name] ?? '')))))
  }
}

function notStreaming({ capability, direction }: RepairOptions): FicusError {
  return new FicusError(
    'FICUS_SYNC_BEHIND',
    `the ${direction} sync of ${capability} ended while rows were repaired: the rest is left as it is`,
    { remedy: 'Look at `ficus status`: rows are repaired by a sync that streams.' },
  )
}

type Images = ReadonlyMap<string, RowImage>

/**
 * Waits until every transaction of the source that is under way has ended, and so is visible. It holds a lock of its id
 * until then.
 * @returns those that did not end in time, in words.
 */
async function unsettled(source: Client): Promise<string[]> {
  const first = await transactionsUnderWay(source)
  const deadline = performance.now() + SETTLE_MS
  for (let now = first; ; now = await transactionsUnderWay(source)) {
    const open = [...first].filter(([id]) => now.has(id))
    if (open.length === 0 || performance.now() > deadline) return open.map(([, name]) => name)
    await sleep(5)
  }
}

/**
 * By id, and what a person knows each by. Of this database alone: the target may be in the same server. One that was prepared
 * belongs to no session, and is listed until its end is visible.
 */
async function transactionsUnderWay(client: Client): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ id: string; name: string }>(
    `SELECT l.transactionid::text AS id, 'pid ' || l.pid AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
       AND a.datname = current_database() AND l.pid <> pg_backend_pid()
     UNION ALL
     SELECT transaction::text, 'prepared transaction ' || quote_literal(gid) FROM pg_prepared_xacts
     WHERE database = current_database()`,
  )
  return new Map(rows.map(({ id, name }) => [id, name]))
}
