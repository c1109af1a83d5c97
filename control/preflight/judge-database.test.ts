import { describe, expect, it } from 'vitest'
import type { DatabaseFacts, TableFacts } from './database-facts.ts'
import { judgeSourceDatabase, judgeSourceTable, judgeTargetDatabase, judgeTargetTable } from './judge-database.ts'
import { exitCodeOf, type Problem } from './problem.ts'

const fit: DatabaseFacts = {
  version: '18.4',
  versionNumber: 180_004,
  database: 'shop',
  user: 'ada',
  superuser: false,
  mayReplicate: true,
  mayCreate: true,
  walLevel: 'logical',
  freeSlots: 3,
  maxSlots: 10,
  freeSenders: 3,
  maxSenders: 10,
}
const table: TableFacts = {
  kind: 'r',
  owner: 'shop',
  mayActAsOwner: true,
  privileges: { SELECT: true, INSERT: true, UPDATE: true, DELETE: true },
  empty: true,
}
const products = { schema: 'public', table: 'products' }
const words = (problems: readonly Problem[]) =>
  problems.map(({ problem, remedy }) => `${problem}. ${remedy}`).join('\n')

describe('invariant 13: a source database that cannot be followed', () => {
  it('has no problem when it can', () => {
    expect(judgeSourceDatabase(fit, true, 'here')).toEqual([])
    expect(judgeSourceTable(products, table, 'shop', 'here')).toEqual([])
  })
  it.each([
    [{ walLevel: 'replica' }, 'wal_level is replica', 'SET wal_level = logical'],
    [{ mayReplicate: false }, 'user ada may not replicate', 'ALTER ROLE "ada" REPLICATION'],
    [{ mayCreate: false }, 'may not create a publication', 'GRANT CREATE ON DATABASE "shop" TO "ada"'],
    [{ freeSlots: 0 }, 'none of the 10 replication slots is free', 'max_replication_slots'],
    [{ freeSenders: 0 }, 'none of the 10 WAL senders is free', 'max_wal_senders'],
    [{ versionNumber: 140_019, version: '14.19' }, 'PostgreSQL 14.19 is too old', 'Upgrade'],
  ])('%o', (facts, problem, remedy) => {
    const text = words(judgeSourceDatabase({ ...fit, ...facts }, true, 'here'))
    expect(text).toContain(problem)
    expect(text).toContain(remedy)
  })
  it.each([
    [{ mayActAsOwner: false, owner: 'dba' }, 'belongs to dba', 'GRANT "dba" TO "shop"'],
    [{ privileges: { ...table.privileges, SELECT: false } }, 'may not read', 'GRANT SELECT'],
  ])('rights to a table: %o', (facts, problem, remedy) => {
    const text = words(judgeSourceTable(products, { ...table, ...facts }, 'shop', 'here'))
    expect(text).toContain(problem)
    expect(text).toContain(remedy)
  })
  it('does not ask for a slot or a sender that sync has already', () => {
    expect(judgeSourceDatabase({ ...fit, freeSlots: 0, freeSenders: 0 }, false, 'here')).toEqual([])
  })
  it('tells every problem, not the first', () => {
    expect(
      judgeSourceDatabase({ ...fit, walLevel: 'minimal', mayReplicate: false, freeSlots: 0 }, true, 'x'),
    ).toHaveLength(3)
  })
})

describe('a target database', () => {
  it('needs rights, and no rows before the first copy', () => {
    expect(judgeTargetDatabase({ ...fit, walLevel: 'replica' }, 'x')).toEqual([])
    expect(judgeTargetTable(products, { ...table, empty: false }, 'shop', false, 'x')).toEqual([])
    const problems = judgeTargetTable(
      products,
      { ...table, empty: false, privileges: { ...table.privileges, INSERT: false, DELETE: false } },
      'shop',
      true,
      'x',
    )
    expect(problems.map(({ code }) => code)).toEqual(['FICUS_DATABASE_UNFIT', 'FICUS_TARGET_NOT_EMPTY'])
    expect(words(problems)).toContain('GRANT INSERT, DELETE')
  })
})

it('the worst problem decides the exit code', () => {
  const of = (...codes: Problem['code'][]) =>
    exitCodeOf(codes.map(code => ({ code, where: '', problem: '', remedy: '' })))
  expect(of()).toBe(0)
  expect(of('FICUS_DATABASE_UNFIT')).toBe(2)
  expect(of('FICUS_DATABASE_UNFIT', 'FICUS_FLAGS_UNREACHABLE', 'FICUS_MAPPING_INVALID')).toBe(3)
})
