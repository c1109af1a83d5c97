import { resolve } from 'node:path'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Triggers } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { parseTableName, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Endpoint } from '../database/session.ts'
import type { Direction, Sync } from '../mapping/flow.ts'
import { loadSync, type MappingProblem, mappingInvalid } from '../mapping/parse-sync.ts'

/** The databases of a capability's sync in one direction. */
export interface SyncEndpoints {
  readonly source: Endpoint
  readonly target: Endpoint
}

/** @throws FICUS_CAPABILITY_UNKNOWN */
export function endpointsOf(loaded: LoadedConfig, capability: string, direction: Direction): SyncEndpoints {
  const { monolith } = loaded.migration
  const { service } = capabilityOf(loaded, capability)
  const monolithEnd = { url: monolith.database.url, name: 'the monolith’s database' }
  const serviceEnd = { url: service.database.url, name: `the database of ${capability}’s service` }
  return direction === 'forward'
    ? { source: monolithEnd, target: serviceEnd }
    : { source: serviceEnd, target: monolithEnd }
}

/** Whether triggers and foreign keys of the tables that `direction` writes to act. @throws FICUS_CAPABILITY_UNKNOWN */
export function triggersOf(loaded: LoadedConfig, capability: string, direction: Direction): Triggers {
  return capabilityOf(loaded, capability).triggers[direction]
}

/**
 * Reads the capability's sync file.
 * @throws FICUS_CAPABILITY_UNKNOWN; FICUS_MAPPING_INVALID, also where it maps the service's outbox.
 */
export async function loadSyncOf(loaded: LoadedConfig, capability: string): Promise<Sync> {
  const { sync: file, service } = capabilityOf(loaded, capability)
  const path = resolve(loaded.directory, file)
  const sync = await loadSync(path)
  const problems = service.outbox === undefined ? [] : mapsOutbox(sync, parseTableName(service.outbox))
  if (problems.length > 0) throw mappingInvalid(path, problems)
  return sync
}

/** An event that came from the other side would be sent a second time; only a publication's tables are ever read. */
function mapsOutbox(sync: Sync, outbox: TableName): MappingProblem[] {
  const problem = `${showTable(outbox)} is the service’s outbox, whose rows are events and never synced`
  const isOutbox = (table: TableName) => showTable(table) === showTable(outbox)
  const targets = sync.tables.flatMap(({ target }, index) =>
    isOutbox(target) ? [{ path: `tables[${index}].target`, problem, remedy: `Delete tables[${index}].` }] : [],
  )
  const sources = sync.back.flatMap(({ source, reads }, index) =>
    [source, ...reads.map(({ table }) => table)].some(isOutbox)
      ? [{ path: `back[${index}]`, problem, remedy: `Delete back[${index}], or what it reads of it.` }]
      : [],
  )
  return [...targets, ...sources]
}

function capabilityOf(loaded: LoadedConfig, capability: string): LoadedConfig['migration']['capabilities'][string] {
  const found = loaded.migration.capabilities[capability]
  if (found !== undefined) return found
  throw new FicusError('FICUS_CAPABILITY_UNKNOWN', `${loaded.file} has no capability ${JSON.stringify(capability)}`)
}
