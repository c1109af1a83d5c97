import type { Triggers } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { openWriterSession } from '../apply/writer-session.ts'
import { type Endpoint, endSession, withSession } from '../database/session.ts'
import type { Sync } from '../mapping/flow.ts'
import { dryRun } from './dry-run.ts'
import { type ProbeFinding, problem } from './finding.ts'
import { probeColumns } from './restored-columns.ts'
import { probeRights } from './rights.ts'
import { probeRoundTrip } from './round-trip.ts'
import { probeStream } from './stream.ts'

export interface ProbeOptions {
  readonly monolith: Endpoint
  readonly service: Endpoint
  readonly sync: Sync
  /** Whether the monolith's triggers are to act on what reverse writes. */
  readonly triggers: Triggers
  /** Of each table: so many rows from either end of its keys, and from between. */
  readonly sampleSize?: number
}

/** What the probe did and found. */
export interface ProbeReport {
  /** Rows that went there and back and were compared. */
  readonly comparedRows: number
  /** Rows that were written to the monolith and taken back. */
  readonly writtenRows: number
  readonly findings: readonly ProbeFinding[]
}

const SAMPLE_SIZE = 100
const DRY_RUN_SIZE = 10

/**
 * Proves, before writes are switched, that reverse sync can work: rows go there and back, the monolith takes what reverse would
 * write, and the service's changes can be followed. Nothing is left behind on either side.
 * @throws FICUS_DATABASE_UNREACHABLE, FICUS_DATABASE_REFUSED, FICUS_MAPPING_INVALID where a table is missing.
 */
export async function probeReverse(options: ProbeOptions): Promise<ProbeReport> {
  const { monolith, service, sync, triggers, sampleSize = SAMPLE_SIZE } = options
  return withSession(monolith, reading =>
    withSession(service, async serving => {
      const columns = await probeColumns(reading, serving, sync)
      const trip = await probeRoundTrip(reading, serving, sync, sampleSize)
      const silent = await triggersCanBe(monolith, triggers)
      const findings = [...columns, ...trip.findings]
      let writtenRows = 0
      if (silent instanceof FicusError) {
        findings.push(problem('writes', 'monolith.database', silent.message, silent.remedy))
      } else {
        findings.push(...(await probeRights(reading, sync, silent)))
        // What does not fit the schemas was told already, and cannot be run.
        if (!columns.some(({ kind, part }) => kind === 'problem' && part === 'columns')) {
          const dry = await dryRun(monolith, serving, sync, triggers, Math.min(sampleSize, DRY_RUN_SIZE))
          findings.push(...dry.findings)
          writtenRows = dry.rows
        }
      }
      findings.push(...(await probeStream(service, sync)))
      return { comparedRows: trip.rows, writtenRows, findings }
    }),
  )
}

/** Whether triggers will be silent, or why they cannot be as the config wants them. */
async function triggersCanBe(monolith: Endpoint, triggers: Triggers): Promise<boolean | FicusError> {
  try {
    const { client, triggersSilent } = await openWriterSession(monolith, null, triggers)
    await endSession(client)
    return triggersSilent
  } catch (error) {
    if (error instanceof FicusError && error.code === 'FICUS_DATABASE_UNFIT') return error
    throw error
  }
}
