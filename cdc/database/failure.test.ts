import { FicusError } from '@ficus/core/errors/ficus-error'
import pg from 'pg'
import { expect, it } from 'vitest'
import { type Failure, judgeFailure } from './failure.ts'

function databaseError(code: string, routine = 'ExecConstraints'): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('refused', 7, 'error'), { code, routine })
}

const CASES: readonly [string, unknown, Failure][] = [
  ['a unique key', databaseError('23505'), 'data'],
  ['a value that is no number', databaseError('22P02'), 'data'],
  ['a code that a function made up', databaseError('MY001'), 'data'],
  ['what a trigger raises', databaseError('P0001', 'exec_stmt_raise'), 'data'],
  ['what a trigger raises by a code of the server’s', databaseError('55000', 'exec_stmt_raise'), 'data'],
  ['what a trigger raises to be tried again', databaseError('40001', 'exec_stmt_raise'), 'passing'],
  ['a deadlock', databaseError('40P01'), 'passing'],
  ['a lock that was not had in time', databaseError('55P03'), 'passing'],
  ['a standby that is asked where its log ends', databaseError('55000', 'pg_current_wal_insert_lsn'), 'passing'],
  ['a full disk', databaseError('53100'), 'passing'],
  [
    'a table that a publication has and nothing identifies',
    databaseError('55000', 'CheckCmdReplicaIdentity'),
    'lasting',
  ],
  ['a right that is missing', databaseError('42501'), 'lasting'],
  ['a broken page', databaseError('XX001'), 'lasting'],
  ['a row that two changed at once', databaseError('XX000', 'simple_heap_update'), 'passing'],
  ['a connection that broke', Object.assign(new Error('read'), { code: 'ECONNRESET' }), 'passing'],
  ['a connection that was closed', new Error('Connection terminated unexpectedly'), 'passing'],
  ['a mistake in this code', new TypeError('undefined is not iterable'), 'lasting'],
  ['an error that says so itself', new FicusError('FICUS_DATABASE_BUSY', 'busy'), 'passing'],
  ['an error that says that it stays', new FicusError('FICUS_SLOT_LOST', 'lost'), 'lasting'],
]

it.each(CASES)('%s', (_, error, failure) => {
  expect(judgeFailure(error)).toBe(failure)
})
