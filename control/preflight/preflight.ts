import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { LoadedConfig } from '@ficus/core/config/load-config'
import type { Capability } from '@ficus/core/config/schema'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { Ledger } from '@ficus/core/ledger/ledger'
import type { Phase } from '@ficus/core/phases/phase'
import { askReady, readHealth, UNNAMED } from '../health/health.ts'
import { inspectMapping, loadMapping } from '../joint/cdc.ts'
import { toFicusError } from '../terminal/report-error.ts'
import { plural } from '../terminal/words.ts'
import { lookInto, readDatabaseFacts, readTableFacts } from './database-facts.ts'
import { lookAtEngine } from './engine.ts'
import { lookAtFlags } from './flag-server.ts'
import { judgeSourceDatabase, judgeSourceTable, judgeTargetDatabase, judgeTargetTable } from './judge-database.ts'
import { type Area, area, type Note, type Problem, problemsOf } from './problem.ts'

export interface PreflightOptions {
  /** All of the config's capabilities unless given. */
  readonly capabilities: readonly string[]
  /** Creates missing flags. */
  readonly fix?: boolean
  readonly signal: AbortSignal
}

/**
 * Looks at everything a migration stands on and lists every problem; it never stops at the first. The config itself was
 * checked when it was loaded. Changes nothing in the databases of either side, nor flags unless `fix` says so. The ledger,
 * which is Ficus's own, gets its tables and a row for each new capability, as with every command.
 */
export async function preflight(loaded: LoadedConfig, options: PreflightOptions): Promise<readonly Area[]> {
  const { migration } = loaded
  const { capabilities, signal } = options
  const phases = new Map<string, Phase>()
  const ledger = await area('ledger', 'ledger.url', () => lookAtLedger(loaded, phases))
  const areas = await Promise.all([
    ledger,
    area('flags', 'flags', async () =>
      lookAtFlags(migration.flags, openFlagAdmin(migration.flags, loaded), capabilities, options.fix === true),
    ),
    area('monolith', 'monolith.url', async () => {
      const { url, health } = migration.monolith
      const { version } = await readHealth('the monolith', url, health, signal)
      return { detail: `${url}, version ${version}`, notes: noteVersion(version, 'monolith.health', url + health) }
    }),
    ...lookAtEngine(migration.cdc, signal),
    ...capabilities.flatMap(name => {
      const config = migration.capabilities[name]
      // Without the ledger nobody knows whether a copy was made, so full tables and a slot in use are no problem then.
      const beforeCopy = phases.get(name) === 'legacy'
      return config === undefined ? [] : capabilityAreas(loaded, name, config, beforeCopy, signal)
    }),
  ])
  return [{ name: 'config', detail: loaded.file, problems: [], notes: [] }, ...areas]
}

/** Nobody can tell an unnamed build from the next, so evidence of the one would count for the other. */
function noteVersion(version: string, where: string, url: string): readonly Note[] {
  if (version !== UNNAMED) return []
  const remedy = 'Answer {"version": "…"} in health, with a name that each build has alone, such as its commit.'
  return [{ where, problem: `${url} does not say which version runs`, remedy }]
}

async function lookAtLedger(loaded: LoadedConfig, phases: Map<string, Phase>): Promise<{ detail: string }> {
  const ledger = await Ledger.open(loaded.migration.ledger.url, Object.keys(loaded.migration.capabilities))
  try {
    for (const { name, phase } of await ledger.capabilities()) phases.set(name, phase)
  } finally {
    await ledger.close()
  }
  return { detail: [...phases].map(([name, phase]) => `${name} is ${phase}`).join(', ') }
}

function capabilityAreas(
  loaded: LoadedConfig,
  name: string,
  config: Capability,
  beforeCopy: boolean,
  signal: AbortSignal,
): Promise<Area>[] {
  const at = `capabilities.${name}`
  return [
    area(`${name}: service`, `${at}.service.url`, async () => {
      const { url, health, ready } = config.service
      const who = `${name}'s service`
      const { version } = await readHealth(who, url, health, signal)
      await askReady(who, url, ready, signal)
      const notes = noteVersion(version, `${at}.service.health`, url + health)
      return { detail: `${url}, version ${version}, ready`, notes }
    }),
    area(`${name}: source`, 'monolith.database.url', () => lookAtSource(loaded, name, beforeCopy)),
    area(`${name}: target`, `${at}.service.database.url`, () => lookAtTarget(loaded, name, beforeCopy)),
    area(`${name}: mapping`, `${at}.sync`, () => lookAtMapping(loaded, name)),
    ...(config.contracts === undefined
      ? []
      : [area(`${name}: pacts`, `${at}.contracts.pacts`, () => lookAtPacts(loaded, name, config))]),
  ]
}

async function lookAtSource(loaded: LoadedConfig, capability: string, beforeCopy: boolean) {
  const { url } = loaded.migration.monolith.database
  return lookInto(url, "the monolith's database", async client => {
    const facts = await readDatabaseFacts(client)
    const problems = judgeSourceDatabase(facts, beforeCopy, 'monolith.database.url')
    for (const source of await mappedTables(loaded, capability, 'source')) {
      problems.push(...judgeSourceTable(source, await readTableFacts(client, source), facts.user, 'monolith.database'))
    }
    const slots = `${facts.freeSlots} of ${facts.maxSlots} slots free`
    return { detail: `PostgreSQL ${facts.version}, wal_level ${facts.walLevel}, ${slots}`, problems }
  })
}

async function lookAtTarget(loaded: LoadedConfig, capability: string, beforeCopy: boolean) {
  const where = `capabilities.${capability}.service.database`
  const url = loaded.migration.capabilities[capability]?.service.database.url ?? ''
  return lookInto(url, `${capability}'s database`, async client => {
    const facts = await readDatabaseFacts(client)
    const problems = judgeTargetDatabase(facts, where)
    const tables = await mappedTables(loaded, capability, 'target')
    for (const target of tables) {
      problems.push(...judgeTargetTable(target, await readTableFacts(client, target), facts.user, beforeCopy, where))
    }
    return { detail: `PostgreSQL ${facts.version}, ${plural(tables.length, 'table')}`, problems }
  })
}

/** A sync file that cannot be read is the mapping's problem, told once there. */
async function mappedTables(loaded: LoadedConfig, capability: string, side: 'source' | 'target') {
  try {
    const { tables } = await loadMapping(loaded, capability)
    return tables.flatMap(table =>
      side === 'target' ? [table.target] : [table.source, ...table.reads.map(read => read.table)],
    )
  } catch {
    return []
  }
}

async function lookAtMapping(loaded: LoadedConfig, capability: string) {
  const where = `capabilities.${capability}.sync`
  try {
    const { tables, problems, refusal } = await inspectMapping(loaded, capability)
    const unfit = problems.map(
      problem => ({ code: 'FICUS_MAPPING_INVALID', ...problem, where: `${where} ${problem.path}` }) as const,
    )
    return {
      detail: `${plural(tables, 'table')} mapped`,
      problems: [...unfit, ...(refusal === null ? [] : problemsOf(refusal, where))],
    }
  } catch (error) {
    const named = toFicusError(error)
    // An unreachable database is told by the area that looks at it.
    if (named.code === 'FICUS_DATABASE_UNREACHABLE' || named.code === 'FICUS_DATABASE_REFUSED') {
      return { detail: 'could not be compared with the databases' }
    }
    return { detail: 'could not be read', problems: problemsOf(named, where) }
  }
}

async function lookAtPacts(loaded: LoadedConfig, capability: string, config: Capability) {
  const where = `capabilities.${capability}.contracts.pacts`
  const folder = resolve(loaded.directory, config.contracts?.pacts ?? '')
  const problems: Problem[] = []
  const isFolder = await stat(folder).then(
    found => found.isDirectory(),
    () => false,
  )
  if (!isFolder) {
    problems.push({
      code: 'FICUS_PACT_MISSING',
      where,
      problem: `there is no folder ${folder}`,
      remedy: 'Run the consumer’s tests, which write the pacts, or correct this path.',
    })
  }
  return { detail: folder, problems }
}
