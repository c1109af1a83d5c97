import { ConnectClient } from '@ficus/cdc/change-source/debezium/connect-client'
import { CONNECTOR_CLASS } from '@ficus/cdc/change-source/debezium/connector-config'
import { chooseEngine } from '@ficus/cdc/change-source/engine'
import { withSession } from '@ficus/cdc/database/session'
import { checkMapping } from '@ficus/cdc/mapping/check-mapping'
import type { Direction, Sync } from '@ficus/cdc/mapping/flow'
import type { MappingProblem } from '@ficus/cdc/mapping/parse-sync'
import { beginWithoutCopy } from '@ficus/cdc/pipeline/begin-without-copy'
import { dropSync as dropDirection, endSync } from '@ficus/cdc/pipeline/drop'
import { findRefusal } from '@ficus/cdc/pipeline/next-start'
import { type ProbeReport, probeReverse as probe } from '@ficus/cdc/probe/probe-reverse'
import { endpointsOf, loadSyncOf, triggersOf } from '@ficus/cdc/worker/capability-sync'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { FicusError } from '@ficus/core/errors/ficus-error'

// Everything that control asks of cdc goes through this file.

/** The class of the connector that the engine `debezium` has Kafka Connect run. */
export { CONNECTOR_CLASS }

/**
 * The classes of the connectors that a Kafka Connect worker can run.
 * @throws FICUS_KAFKA_UNREACHABLE
 */
export function connectorPlugins(url: string): Promise<readonly string[]> {
  return new ConnectClient(url).plugins()
}

/** @throws FICUS_MAPPING_INVALID */
export function loadMapping(loaded: LoadedConfig, capability: string): Promise<Sync> {
  return loadSyncOf(loaded, capability)
}

/** A mapping beside the live schemas, both ways. */
export interface MappingReport {
  /** How many tables are mapped. */
  readonly tables: number
  readonly problems: readonly MappingProblem[]
  /** Why a sync would not start with it, or not go on where it carries rows already; null where it would. */
  readonly refusal: FicusError | null
  /** The SQL that the mapping becomes: what it is for -> the statement. */
  readonly sql: Readonly<Record<string, string>>
}

/**
 * Reads the mapping, compares it with the live schemas and has both servers parse what it becomes.
 * @throws FICUS_MAPPING_INVALID where the file itself is malformed; FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function inspectMapping(loaded: LoadedConfig, capability: string): Promise<MappingReport> {
  const sync = await loadMapping(loaded, capability)
  const ends = endpointsOf(loaded, capability, 'forward')
  const { forward, back, refusal } = await withSession(ends.source, monolithClient =>
    withSession(ends.target, async serviceClient => {
      const monolith = { endpoint: ends.source, client: monolithClient }
      const service = { endpoint: ends.target, client: serviceClient }
      const forward = await checkMapping(monolithClient, serviceClient, sync, 'forward')
      const back = await checkMapping(serviceClient, monolithClient, sync, 'reverse')
      const next = { capability, sync, engine: loaded.migration.cdc.engine }
      const refusal =
        forward.problems.length + back.problems.length > 0
          ? null
          : ((await findRefusal({ ...next, direction: 'forward', source: monolith, target: service })) ??
            (await findRefusal({ ...next, direction: 'reverse', source: service, target: monolith })))
      return { forward, back, refusal }
    }),
  )
  const problems = [...forward.problems, ...back.problems]
  const statements = [...forward.sql, ...back.sql].flatMap(mapping => {
    const { from, to, function: computed, copy, insert, update, remove, doubled } = mapping
    const way = `${from} -> ${to}`
    return [
      ...(back.sql.includes(mapping) ? [] : [[`${way}: copy, on the source`, copy]]),
      ...(computed === null ? [] : [[`${way}: function, in Node, of each row`, computed]]),
      ...(doubled === null ? [] : [[`${way}: refused are, on the target`, doubled]]),
      ...(insert === null ? [] : [[`${way}: insert, on the target`, insert]]),
      [`${way}: ${insert === null ? 'insert and update' : 'update'}, on the target`, update],
      [`${way}: delete, on the target`, remove],
    ]
  })
  return { tables: sync.tables.length, problems, refusal, sql: Object.fromEntries(statements) }
}

/** What a probe of the way back did and found. */
export type ReverseReport = ProbeReport

/**
 * Proves that what the service will write can be carried back to the monolith: rows go there and back, the monolith takes
 * them (and gives them up again), and the service's changes can be followed. Leaves nothing behind on either side.
 * @throws FICUS_MAPPING_INVALID, FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function probeReverse(loaded: LoadedConfig, capability: string): Promise<ReverseReport> {
  const { source: monolith, target: service } = endpointsOf(loaded, capability, 'forward')
  const sync = await loadMapping(loaded, capability)
  return probe({ monolith, service, sync, triggers: triggersOf(loaded, capability, 'reverse') })
}

/**
 * Records where reverse sync starts: from now on, the service's changes are kept until they are at the monolith. For the
 * switch, before the service may write; the phase `extracted` then carries them. May be called again.
 * @param ledger the id of the ledger that asks for it.
 * @throws FICUS_MAPPING_INVALID, FICUS_DATABASE_UNFIT, FICUS_LEDGER_MISMATCH, FICUS_LEASE_HELD.
 */
export async function beginDirection(
  loaded: LoadedConfig,
  capability: string,
  direction: Direction,
  ledger: string,
): Promise<void> {
  const sync = await loadMapping(loaded, capability)
  const { failover } = loaded.migration.cdc.slot
  await beginWithoutCopy({
    capability,
    direction,
    ledger,
    sync,
    failoverSlot: failover,
    ...endpointsOf(loaded, capability, direction),
  })
}

/**
 * Ends the direction that a switch has left: slot, publication and connector go, every row stays. Nothing carries that
 * direction before `beginDirection` has recorded a new start.
 * @throws FICUS_LEASE_HELD while a sync process still carries it; FICUS_LEDGER_MISMATCH.
 */
export async function endDirection(
  loaded: LoadedConfig,
  capability: string,
  direction: Direction,
  ledger: string,
): Promise<void> {
  const engine = chooseEngine(loaded.migration.cdc)
  await endSync({ capability, direction, ledger, engine, ...endpointsOf(loaded, capability, direction) })
}

/**
 * Removes slot, publication, position, what the engine made besides, and the copied rows, of both directions. Those that
 * are not there are no problem. The sync file is not read.
 * @param ledger the id of the ledger that asks for it.
 * @throws FICUS_LEASE_HELD while a sync process still runs; FICUS_LEDGER_MISMATCH where another ledger began the sync.
 */
export async function dropSync(loaded: LoadedConfig, capability: string, ledger: string): Promise<void> {
  const engine = chooseEngine(loaded.migration.cdc)
  for (const direction of ['reverse', 'forward'] as const) {
    await dropDirection({ capability, direction, ledger, engine, ...endpointsOf(loaded, capability, direction) })
  }
}
