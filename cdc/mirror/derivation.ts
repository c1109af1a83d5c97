import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier, quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { TargetedFlow } from '../apply/staging.ts'
import { judgeFailure } from '../database/failure.ts'
import { columnOf } from '../mapping/merge-sql.ts'
import { assertNothingLost } from '../mapping/silent-loss.ts'
import { AffectedKeys } from './affected-keys.ts'
import {
  affectedByOwn,
  affectedByRead,
  type DerivedStatements,
  derivedStatements,
  type Staged,
  type Stand,
} from './derived-sql.ts'
import type { Mirror } from './mirror-plan.ts'
import { readsClause } from './reads-sql.ts'

/** A mirror that some changes are about to be merged into. */
export interface TouchedMirror extends Staged {
  readonly mirror: Mirror
  /** All its rows go before those that are staged come. */
  readonly truncated: boolean
}

/** What follows from changes of mirrors. */
export interface Consequences {
  /** To be run before the changes are merged into the mirrors, and after. */
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** The flows whose target rows may have changed. */
  readonly derived: readonly DerivedFlow[]
}

/** A flow whose rows are computed from mirrors. */
export interface DerivedFlow extends TargetedFlow {
  readonly statements: DerivedStatements
  readonly stand: Stand
  readonly affected: AffectedKeys
}

/**
 * Brings rows that are computed from mirrors up to date: notes which keys a batch affects, both as the mirrors were and as
 * they have become (a line that moves changes both its orders), and computes the rows of those keys anew.
 */
export class Derivation {
  readonly #flows: readonly DerivedFlow[]

  private constructor(flows: readonly DerivedFlow[]) {
    this.#flows = flows
  }

  /**
   * Makes the temporary tables for the keys, in the session that applies, and has the server check every statement.
   * @param flows those without `reads` are left out.
   * @throws FICUS_MAPPING_INVALID where the mapping does not fit the target or the mirrors; FICUS_SOURCE_CHANGED where it
   *   would lose something.
   */
  static async open(client: Client, flows: readonly TargetedFlow[], mirrors: readonly Mirror[]): Promise<Derivation> {
    const derived: DerivedFlow[] = []
    for (const { flow, target } of flows) {
      if (flow.reads.length === 0) continue
      const affected = new AffectedKeys(`ficus_affected_${derived.length + 1}`)
      const own = mirrorOf(mirrors, flow.from)
      const stand = {
        from: quoteTable(own.flow.to),
        reads: flow.reads.map(({ table }) => quoteTable(mirrorOf(mirrors, table).flow.to)),
        affected: affected.table,
      }
      const columns = flow.key.map(({ from }) => `${quoteIdentifier(from)} ${columnOf(own.target, from).type}`)
      await client.query(affected.creating(columns))
      const statements = derivedStatements(flow, target, stand)
      await assertRuns(client, flow.path, [
        statements.remove,
        statements.merge,
        ...(statements.others === null ? [] : [statements.others]),
      ])
      const clause = readsClause(flow, ({ table }) => `${describedRows(mirrorOf(mirrors, table))} AS ficus_mirror`)
      await assertNothingLost(client, flow, `${describedRows(own)} AS ${quoteIdentifier(flow.from.table)}`, clause)
      derived.push({ flow, target, statements, stand, affected })
    }
    return new Derivation(derived)
  }

  /** What is to be done besides, where changes of these mirrors are merged. */
  follow(touched: readonly TouchedMirror[]): Consequences {
    const before: string[] = []
    const after: string[] = []
    const derived = this.#flows.filter(flow => {
      const own = touched.flatMap(mirror => this.#affected(flow, mirror))
      if (own.length === 0) return false
      // Keys of earlier changes are done with.
      before.push(flow.affected.emptying, ...own.map(statement => statement.before))
      after.push(...own.flatMap(statement => statement.after ?? []), flow.affected.filled)
      return true
    })
    return { before, after, derived }
  }

  #affected({ flow, stand }: DerivedFlow, touched: TouchedMirror): { before: string; after: string | null }[] {
    const { mirror, truncated } = touched
    const table = showTable(mirror.flow.from)
    const earlier = truncated ? null : touched
    const pairs: { before: string; after: string | null }[] = []
    if (showTable(flow.from) === table)
      pairs.push({ before: affectedByOwn(flow, stand, earlier), after: affectedByOwn(flow, stand, touched) })
    for (const [index, read] of flow.reads.entries()) {
      if (showTable(read.table) !== table) continue
      const later = affectedByRead(flow, stand, index, touched)
      for (const [way, before] of affectedByRead(flow, stand, index, earlier).entries())
        pairs.push({ before, after: later[way] ?? null })
    }
    return pairs
  }
}

function mirrorOf(mirrors: readonly Mirror[], table: TableName): Mirror {
  const mirror = mirrors.find(({ flow }) => showTable(flow.from) === showTable(table))
  if (mirror === undefined) throw new TypeError(`${showTable(table)} has no mirror`)
  return mirror
}

/** A mirror's rows with the limits that its source's columns have, which the mirror's own do not: SQL in brackets. */
function describedRows({ flow, target }: Mirror): string {
  const columns = target.columns.map(({ name, type, preciseType = type }) => {
    const column = quoteIdentifier(name)
    return `${column}::${preciseType} AS ${column}`
  })
  return `(SELECT ${columns.join(', ')} FROM ${quoteTable(flow.to)})`
}

async function assertRuns(client: Client, path: string, statements: readonly string[]): Promise<void> {
  try {
    for (const statement of statements) await client.query(`EXPLAIN ${statement}`)
  } catch (error) {
    if (judgeFailure(error) !== 'data') throw error
    throw new FicusError('FICUS_MAPPING_INVALID', `${path} does not fit the target any more: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
