import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Endpoint } from '@ficus/cdc/database/session'
import type { TableDiff } from '@ficus/cdc/diff/table-comparison'
import { waitUntilCaughtUp } from '@ficus/cdc/lag/lag'
import type { Direction } from '@ficus/cdc/mapping/flow'
import { parseSync } from '@ficus/cdc/mapping/parse-sync'
import { beginWithoutCopy } from '@ficus/cdc/pipeline/begin-without-copy'
import { startDiffChild } from '@ficus/cdc/testing/diff-child'
import { createSyncFolder, type SyncChild, type SyncFolder } from '@ficus/cdc/testing/sync-child'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { Phase } from '@ficus/core/phases/phase'
import pg from 'pg'
import type { Servers } from './servers.ts'
import {
  COUNT_WRITES,
  digests,
  type Factor,
  fillings,
  INDEXES,
  mapping,
  NOTE_WRITES,
  readSchema,
  syncFile,
} from './tables.ts'
import { describeVictim, type Round, type Victim } from './victims.ts'
import { startWriter, type Writer } from './writer.ts'

/** One round as it went. */
export interface RoundLog {
  readonly round: number
  readonly during: Round['during']
  readonly victim: string
  /** From the victim's return (or the next sync's start) until rows were applied again, ms. */
  readonly recoveredMs: number
}

export interface CampaignReport {
  readonly rounds: readonly RoundLog[]
  /** Transactions that the source acknowledged to the writer: all of them, those that truncated a table, and that altered one. */
  readonly transactions: number
  readonly truncated: number
  readonly altered: number
  /** Writes that the target's triggers saw while rows streamed, and those that they saw more than once: in all, and by table. */
  readonly seen: number
  readonly seenTwice: number
  readonly seenTwiceOf: Readonly<Record<string, number>>
  /** Rows of each table, source and target; and whether they are the same to the last byte. */
  readonly rows: { readonly source: readonly number[]; readonly target: readonly number[] }
  readonly equal: boolean
  /** What `ficus verify --data` found, which asks by the mapping: the tables with a difference. */
  readonly differing: readonly string[]
  /** The target has the indexes that it began with. */
  readonly indexed: boolean
}

export interface CampaignOptions {
  readonly servers: Servers
  /** `reverse`: the service is the source, and the monolith holds its rows from the start. Forward unless given. */
  readonly direction?: Direction
  /** In reverse none that copies, drops or adds. */
  readonly rounds: readonly Round[]
  /** 0 to 1, exclusive: what the writer writes. */
  readonly random: () => number
  /** Whether it gives mapped columns wider types; true unless given. */
  readonly widens?: boolean
  readonly onRound?: (round: RoundLog) => void
  readonly signal?: AbortSignal
}

const CAPABILITY = 'catalog'
/** What a star of a review is worth, where reviews are mapped from the start. */
const FIRST_FACTOR = 10
const KILL_AT = fileURLToPath(new URL('./kill-at.ts', import.meta.url))
/** How long a part may take to come back, and a victim to reach its point. */
const PATIENCE_MS = 180_000
const BATCH_ROWS = 500
/** Between two of the writer's transactions. Debezium carries less; what piles up would only make it long. */
const PAUSE_MS = { postgres: 10, debezium: 60 } as const
/** How long all that piled up may take in the end. */
const QUIET_MS = 600_000

/**
 * Kills sync and the servers around it, round by round, while somebody writes to the source; then lets it become quiet
 * and compares both sides.
 * @throws where something does not come back, and when `signal` is aborted.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  await using resources = new AsyncDisposableStack()
  const campaign = await Campaign.open(options, resources)
  return await campaign.run()
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #direction: Direction
  readonly #ledger: Ledger
  readonly #folder: SyncFolder
  readonly #indexes: string
  readonly #log: RoundLog[] = []
  #child: SyncChild | undefined
  #factor: Factor

  private constructor(options: CampaignOptions, ledger: Ledger, folder: SyncFolder, indexes: string) {
    this.#options = options
    this.#direction = options.direction ?? 'forward'
    this.#factor = this.#direction === 'forward' ? null : FIRST_FACTOR
    this.#ledger = ledger
    this.#folder = folder
    this.#indexes = indexes
  }

  static async open(options: CampaignOptions, resources: AsyncDisposableStack): Promise<Campaign> {
    const { sourceUrl, targetUrl, ledgerUrl, cdc } = options.servers
    const { direction = 'forward' } = options
    const [monolithUrl, serviceUrl] = direction === 'forward' ? [sourceUrl, targetUrl] : [targetUrl, sourceUrl]
    await query(sourceUrl, await readSchema('source'))
    await query(targetUrl, await readSchema('target'))
    const ledger = await Ledger.open(ledgerUrl, [CAPABILITY])
    resources.defer(() => ledger.close())
    const sync = syncFile(direction, direction === 'forward' ? null : FIRST_FACTOR)
    const settings = { ...cdc, batchRows: BATCH_ROWS }
    const folder = await createSyncFolder({ monolithUrl, serviceUrl, ledgerUrl, sync, cdc: settings })
    resources.use(folder)
    return new Campaign(options, ledger, folder, JSON.stringify(await query(targetUrl, INDEXES)))
  }

  async run(): Promise<CampaignReport> {
    const { servers, rounds, random } = this.#options
    if (this.#direction === 'reverse') await this.#beginReverse()
    const writer = startWriter(servers.sourceUrl, random, PAUSE_MS[servers.engine], this.#options.widens)
    try {
      if (this.#direction === 'forward')
        await this.#copies(rounds.filter(({ during }) => during === 'copy' || during === 'drop'))
      else await this.#carryReverse()
      // It may get into a deadlock with a sync that writes.
      await this.#until('writes are noted', () => query(servers.targetUrl, NOTE_WRITES))
      for (const round of rounds.filter(({ during }) => during === 'add')) await this.#addRound(round)
      for (const round of rounds.filter(({ during }) => during === 'stream')) await this.#streamRound(round)
    } finally {
      await writer.stop()
    }
    return this.#report(writer)
  }

  /** Leaves both sides as a switch does: equal, with the spot in the service's log from which its changes are kept. */
  async #beginReverse(): Promise<void> {
    const { sourceUrl, targetUrl } = this.#options.servers
    for (const { read, fill } of fillings(this.#factor)) {
      const [found] = await query(sourceUrl, read)
      await query(targetUrl, fill, [found?.rows])
    }
    const ledger = await this.#ledger.id()
    const sync = parseSync(mapping('reverse', this.#factor))
    await beginWithoutCopy({ ...this.#ends(), capability: CAPABILITY, direction: 'reverse', ledger, sync })
    await this.#move('extracted')
  }

  async #carryReverse(): Promise<void> {
    await this.#restart(null)
    await this.#applies()
  }

  /** Copies, dies, copies again; each time from nothing but what the death before left behind. */
  async #copies(rounds: readonly Round[]): Promise<void> {
    await this.#move('syncing')
    for (const round of rounds) {
      if (round.during === 'drop') {
        if (this.#child === undefined) await this.#restart(null)
        await this.#becomes('streaming')
        await this.#restart(round.victim)
        await this.#move('legacy')
        await this.#died(round)
      } else {
        await this.#restart(round.victim)
        await this.#died(round)
        await this.#becomes('streaming')
        await this.#move('legacy')
      }
      await this.#becomes('gone')
      await this.#move('syncing')
    }
    await this.#restart(null)
    await this.#becomes('streaming')
  }

  /** Adds a table to the running sync; once it is there, changes its mapping, so that all its rows are read anew. */
  async #addRound(round: Round): Promise<void> {
    this.#factor = this.#factor === null ? FIRST_FACTOR : this.#factor + 1
    await this.#folder.replaceSync(syncFile('forward', this.#factor))
    await this.#restart(round.victim)
    await this.#died(round)
    await this.#until('the added table is whole', async () => {
      const { targetUrl } = this.#options.servers
      const flows = await query(targetUrl, `SELECT reading FROM ficus.flow WHERE target = 'public.opinions'`)
      return flows.length > 0 && flows.every(({ reading }) => reading === false)
    })
  }

  async #streamRound(round: Round): Promise<void> {
    if (round.victim.kind === 'sync at point') await this.#restart(round.victim)
    await this.#died(round)
  }

  /** Waits for the death, or brings it about; then until everybody is back and at work. */
  async #died(round: Round): Promise<void> {
    const { servers } = this.#options
    const { victim } = round
    if (victim.kind === 'sync at point') await this.#waitForDeath(victim)
    else {
      await this.#pause(victim.afterMs)
      if (victim.kind === 'sync') await this.#child?.kill('SIGKILL')
      else await servers.kill(victim.server)
    }
    if (victim.kind === 'server') await servers.revive(victim.server)
    const from = performance.now()
    if (victim.kind !== 'server') await this.#restart(null)
    if (round.during === 'stream' || round.during === 'add') await this.#applies()
    const logged: RoundLog = {
      round: this.#log.length + 1,
      during: round.during,
      victim: describeVictim(victim),
      recoveredMs: Math.round(performance.now() - from),
    }
    this.#log.push(logged)
    this.#options.onRound?.(logged)
  }

  /** Puts another sync process into the place of the one that runs, killing it; one that will die where `victim` says. */
  async #restart(victim: Victim | null): Promise<void> {
    this.#options.signal?.throwIfAborted()
    await this.#child?.kill('SIGKILL')
    const armed = victim?.kind === 'sync at point'
    this.#child = await this.#folder.start(
      armed ? { nodeArgs: ['--import', KILL_AT], env: { FICUS_KILL_AT: `${victim.point}:${victim.pass}` } } : {},
    )
  }

  async #waitForDeath(victim: Victim): Promise<void> {
    const child = this.#child
    await this.#until(`${describeVictim(victim)} dies`, async () => child?.process.signalCode === 'SIGKILL')
  }

  async #applies(): Promise<void> {
    const before = await this.#until('the target answers', () => this.#progress())
    await this.#until('rows are applied again', async () => {
      const now = await this.#progress()
      return now.state === 'streaming' && now.applied > before.applied
    })
  }

  async #becomes(state: 'streaming' | 'gone'): Promise<void> {
    await this.#until(`sync is ${state}`, async () => (await this.#progress()).state === state)
  }

  async #progress(): Promise<{ state: string; applied: number }> {
    const { targetUrl } = this.#options.servers
    const [table] = await query(targetUrl, `SELECT to_regclass('ficus.progress') IS NOT NULL AS there`)
    if (table?.there !== true) return { state: 'gone', applied: 0 }
    const [row] = await query(targetUrl, 'SELECT state, applied_rows::int AS applied FROM ficus.progress')
    return row === undefined
      ? { state: 'gone', applied: 0 }
      : { state: String(row.state), applied: Number(row.applied) }
  }

  async #move(to: Phase): Promise<void> {
    const { epoch } = await this.#ledger.capability(CAPABILITY)
    const move = { capability: CAPABILITY, epoch, to, actor: 'test', action: 'move' } as const
    await this.#ledger.move({ ...move, reason: null, evidence: {} })
  }

  async #report({ committed, truncated, altered }: Writer): Promise<CampaignReport> {
    const { sourceUrl, targetUrl } = this.#options.servers
    const sync = { capability: CAPABILITY, direction: this.#direction }
    await waitUntilCaughtUp({ ...this.#ends(), ...sync, timeoutMs: QUIET_MS })
    // It refuses while a table is read anew, as after a type that became wider late.
    const tables = await this.#until('verify --data compares', async () => {
      await using comparison = startDiffChild({
        ...this.#ends(),
        ...sync,
        sync: this.#folder.sync,
        timeoutMs: QUIET_MS,
      })
      return await comparison.tables()
    })
    const digested = async (url: string, side: 'source' | 'target') => {
      const found = []
      for (const sql of digests(side, this.#factor)) found.push(...(await query(url, sql)))
      return found
    }
    const [ofSource, ofTarget] = [await digested(sourceUrl, 'source'), await digested(targetUrl, 'target')]
    const counted = await query(targetUrl, COUNT_WRITES)
    const twice = counted.map(({ table_name, twice }) => [String(table_name), Number(twice)] as const)
    return {
      rounds: this.#log,
      transactions: committed,
      truncated,
      altered,
      seen: counted.reduce((sum, { seen }) => sum + Number(seen), 0),
      seenTwice: twice.reduce((sum, [, times]) => sum + times, 0),
      seenTwiceOf: Object.fromEntries(twice),
      rows: { source: ofSource.map(({ rows }) => Number(rows)), target: ofTarget.map(({ rows }) => Number(rows)) },
      equal: JSON.stringify(ofSource) === JSON.stringify(ofTarget),
      differing: tables.filter(isDifferent).map(({ target }) => target),
      indexed: JSON.stringify(await query(targetUrl, INDEXES)) === this.#indexes,
    }
  }

  #ends(): { source: Endpoint; target: Endpoint } {
    const { sourceUrl, targetUrl } = this.#options.servers
    return { source: { url: sourceUrl, name: 'the source' }, target: { url: targetUrl, name: 'the target' } }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#options.signal })
  }

  /** Asks until it has an answer that is not false; a server that is away has none yet. */
  async #until<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const answer = await ask().catch(() => false as const)
      if (answer !== false) return answer
      if (performance.now() > deadline)
        throw new Error(`it took too long until ${what}; sync says ${this.#lastWords()}${this.#logs()}`)
      await this.#pause(25)
    }
  }

  #logs(): string {
    const { logs } = this.#options.servers
    return logs === null ? '' : `; Kafka and Kafka Connect logged to ${logs}`
  }

  #lastWords(): string {
    return JSON.stringify(this.#child?.log.slice(-3) ?? [])
  }
}

const isDifferent = ({ differing, unlisted, undecided }: TableDiff) => differing.length + unlisted + undecided > 0

/** One statement in a session of its own: any server may be dead at any time. */
async function query(url: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<Record<string, unknown>>(sql, values)
    return rows
  } finally {
    await client.end().catch(() => {})
  }
}
