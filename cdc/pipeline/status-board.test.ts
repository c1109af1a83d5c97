import { FicusError } from '@ficus/core/errors/ficus-error'
import { expect, it } from 'vitest'
import type { ChangeBatch, ChangeSource } from '../change-source/change-source.ts'
import { numberToLsn } from '../change-source/position.ts'
import { Heartbeat } from '../lag/heartbeat.ts'
import { StatusBoard } from './status-board.ts'

const MEGABYTE = 1_000_000
const at = (bytes: number) => ({ lsn: numberToLsn(BigInt(bytes)) })

/** An engine that has received nothing that it has not handed out. */
const source: ChangeSource = {
  engine: 'postgres',
  prepare: async () => {},
  read: async function* () {},
  giveBack: () => {},
  acknowledge: () => {},
  backlog: () => ({ rows: 0, oldestCommit: null }),
  stop: async () => {},
  drop: async () => {},
}

/** A heartbeat that found the source's log to end at `bytes`. */
class Beaten extends Heartbeat {
  readonly #bytes: number
  constructor(bytes: number) {
    super({ url: 'postgres://nowhere/x', name: 'nowhere' })
    this.#bytes = bytes
  }
  override get end() {
    return { lsn: BigInt(this.#bytes), clockOffset: 0 }
  }
}

function batch(rows: number, position: number, commit: number | null = null): ChangeBatch {
  const relation = { table: { schema: 'public', table: 'a' }, columns: [], format: 'text' as const }
  const change = { kind: 'insert' as const, relation, oldTuple: -1, newTuple: 0 }
  const changes = Array.from({ length: rows }, () => change)
  return {
    data: Buffer.alloc(0),
    changes,
    position: at(position),
    firstCommit: commit,
    lastCommit: commit,
    transactions: [],
  }
}

/** A board of a stream that begins at position 0, while the source's log ends at `end`. */
function streamingBoard(end: number) {
  const board = new StatusBoard('forward', source, undefined)
  const rows = { tables: [], made: [], ledger: null, copiedRows: 9, appliedRows: 0, sourceCommit: null }
  board.streaming({ state: 'streaming', epoch: 1, position: at(0), ...rows }, new Beaten(end), null)
  const apply = (rows: number, position: number) => {
    board.received(batch(rows, position))
    board.applied(at(position))
  }
  return { board, lagRows: () => board.status(0).lagRows, receive: board.received.bind(board), apply }
}

it('makes no rows of a log that may be about anything, as right after a first copy', () => {
  const board = streamingBoard(20 * MEGABYTE)
  expect(board.lagRows()).toBe(0)
  board.apply(0, 5 * MEGABYTE)
  expect(board.lagRows()).toBe(0)
})

it('counts what was received, and estimates the rest by what went by', () => {
  const board = streamingBoard(10 * MEGABYTE)
  board.receive(batch(700, MEGABYTE))
  expect(board.lagRows()).toBe(700)
  board.apply(300, 2 * MEGABYTE)
  // 1,000 rows in 2 MB, so 4,000 in the 8 MB ahead.
  expect(board.lagRows()).toBe(4_000)
  board.apply(4_000, 10 * MEGABYTE)
  expect(board.lagRows()).toBe(0)
})

it('grows by the second while sync has failed, from the newest commit that the target has', () => {
  const { board, receive } = streamingBoard(0)
  receive(batch(1, 1, 60_000))
  board.applied(at(1))
  expect(board.status(61_000).lagSeconds).toBe(0)
  receive(batch(1, 2, 65_000))
  expect(board.status(66_000).lagSeconds).toBe(1)
  board.failed(new FicusError('FICUS_CHANGE_REFUSED', 'too cheap'))
  expect(board.status(66_000).lagSeconds).toBe(6)
  expect(board.status(90_000).lagSeconds).toBe(30)
  board.stopped()
  expect(board.status(90_000).lagSeconds).toBe(0)
})
