import { quoteIdentifier, quoteTable, showTable, type TableName } from '@ficus/core/sql/identifier'
import { type DatabaseFacts, PRIVILEGES, type TableFacts } from './database-facts.ts'
import type { Problem } from './problem.ts'

/** The oldest PostgreSQL that has MERGE, by which sync writes to either side, and on which its tests were run. */
const OLDEST_VERSION = 150_000

/**
 * What keeps the rows of a database from being followed.
 * @param beforeCopy while sync has yet to take its slot and its sender.
 */
export function judgeSourceDatabase(facts: DatabaseFacts, beforeCopy: boolean, where: string): Problem[] {
  const problems = [...judgeVersion(facts, where)]
  if (facts.walLevel !== 'logical') {
    problems.push(
      unfit(
        where,
        `wal_level is ${facts.walLevel}, which does not carry row changes`,
        'ALTER SYSTEM SET wal_level = logical; then restart the server.',
      ),
    )
  }
  if (!facts.mayReplicate) {
    problems.push(
      unfit(where, `user ${facts.user} may not replicate`, `ALTER ROLE ${quoteIdentifier(facts.user)} REPLICATION;`),
    )
  }
  if (!facts.mayCreate) problems.push(mayNotCreate(facts, where, 'a publication'))
  if (beforeCopy && facts.freeSlots < 1) {
    problems.push(
      unfit(
        where,
        `none of the ${facts.maxSlots} replication slots is free`,
        'Drop a slot that nobody needs (pg_replication_slots), or raise max_replication_slots and restart the server.',
      ),
    )
  }
  if (beforeCopy && facts.freeSenders < 1) {
    problems.push(
      unfit(
        where,
        `none of the ${facts.maxSenders} WAL senders is free`,
        'Raise max_wal_senders and restart the server.',
      ),
    )
  }
  return problems
}

/** What keeps a database from taking rows. */
export function judgeTargetDatabase(facts: DatabaseFacts, where: string): Problem[] {
  const problems = [...judgeVersion(facts, where)]
  if (!facts.mayCreate) problems.push(mayNotCreate(facts, where, 'the schema in which sync keeps its position'))
  return problems
}

/**
 * Which rights are missing to follow one table's changes. That it is there and has a key is the mapping's to tell.
 */
export function judgeSourceTable(table: TableName, facts: TableFacts, user: string, where: string): Problem[] {
  const name = showTable(table)
  if (facts.kind === null) return []
  const problems: Problem[] = []
  if (!facts.privileges.SELECT) problems.push(mayNot(name, 'read', `GRANT SELECT ON ${quoteTable(table)}`, user, where))
  if (!facts.mayActAsOwner) {
    problems.push(
      unfit(
        where,
        `${name} belongs to ${facts.owner}; user ${user} cannot publish its changes`,
        `GRANT ${quoteIdentifier(facts.owner ?? '')} TO ${quoteIdentifier(user)}; or let the owner be the user of the address.`,
      ),
    )
  }
  return problems
}

/**
 * What keeps one table from taking rows.
 * @param beforeCopy the first copy overwrites nothing that it did not write.
 */
export function judgeTargetTable(
  table: TableName,
  facts: TableFacts,
  user: string,
  beforeCopy: boolean,
  where: string,
): Problem[] {
  const name = showTable(table)
  if (facts.kind === null) return []
  const problems: Problem[] = []
  const lacking = PRIVILEGES.filter(privilege => !facts.privileges[privilege])
  if (lacking.length > 0) {
    problems.push(mayNot(name, 'write', `GRANT ${lacking.join(', ')} ON ${quoteTable(table)}`, user, where))
  }
  if (beforeCopy && facts.empty === false) {
    problems.push({
      code: 'FICUS_TARGET_NOT_EMPTY',
      where,
      problem: `${name} holds rows already`,
      remedy: `Remove them from ${quoteTable(table)} if nobody needs them. The first copy overwrites nothing.`,
    })
  }
  return problems
}

function judgeVersion(facts: DatabaseFacts, where: string): Problem[] {
  if (facts.versionNumber >= OLDEST_VERSION) return []
  return [unfit(where, `PostgreSQL ${facts.version} is too old`, 'Upgrade it to PostgreSQL 15 or later.')]
}

function mayNotCreate(facts: DatabaseFacts, where: string, what: string): Problem {
  return unfit(
    where,
    `user ${facts.user} may not create ${what}`,
    `GRANT CREATE ON DATABASE ${quoteIdentifier(facts.database)} TO ${quoteIdentifier(facts.user)};`,
  )
}

function mayNot(name: string, verb: string, grant: string, user: string, where: string): Problem {
  return unfit(where, `user ${user} may not ${verb} ${name}`, `${grant} TO ${quoteIdentifier(user)};`)
}

function unfit(where: string, problem: string, remedy: string): Problem {
  return { code: 'FICUS_DATABASE_UNFIT', where, problem, remedy }
}
