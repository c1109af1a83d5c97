import { expect, it } from 'vitest'
import { BatchBuilder } from '../batch-builder.ts'
import type { DebeziumEvent } from './event.ts'
import { Placeholder } from './placeholder.ts'
import { ProducerRuns } from './producer-runs.ts'
import { TableReader } from './table-reader.ts'
import { TransactionAssembler } from './transaction-assembler.ts'
import { integerText } from './value-text.ts'

const table = { schema: 'public', table: 't' }
const reader = new TableReader(
  {
    table,
    columns: [{ name: 'id', type: 'int8', toText: integerText, identity: true, readBack: false }],
    unread: [],
    fullIdentity: false,
  },
  new Set(['id']),
  new Placeholder('unchanged'),
)
const BATCH_ROWS = 2

/** Three rows in one transaction whose commit ends at 0/10, up to its end. */
function takeRows(from: string) {
  const builder = new BatchBuilder(BATCH_ROWS, 1_000_000)
  const assembler = new TransactionAssembler({
    name: 't',
    offsets: () => ({ 't:0': '5' }),
    from: { lsn: from },
    tables: [],
    producers: new ProducerRuns(),
    ignoredOrigins: [],
    builder,
  })
  const transaction = '1'
  assembler.take({ kind: 'begin', transaction, lsn: null }, null)
  for (const id of [1, 2]) assembler.take(row(id), reader)
  const part = builder.take()
  assembler.handedOut()
  assembler.take(row(3), reader)
  const end = () => assembler.take({ kind: 'end', transaction, endLsn: 0x10n, time: 1_000, events: 3 }, null)
  return { builder, part, end }
}

function row(order: number): DebeziumEvent {
  const place = { transaction: '1', order, lsn: BigInt(order), origin: null, previousCommit: null }
  return { kind: 'row', operation: 'insert', table, before: null, after: { id: order }, keyChange: null, ...place }
}

it('invariant 4: a transaction larger than a batch has its position with its last part', () => {
  const { builder, part, end } = takeRows('0/0')
  expect(part).toMatchObject({ changes: [{ kind: 'insert' }, { kind: 'insert' }], position: null })
  end()
  expect(builder.take()).toMatchObject({
    changes: [{ kind: 'insert' }],
    position: { lsn: '0/10', offsets: { 't:0': '5' } },
  })
})

it('invariant 3: one that comes again ends the sync before any of it is committed', () => {
  const { builder, end } = takeRows('0/10')
  expect(end).toThrow(
    expect.objectContaining({ code: 'FICUS_SLOT_LOST', message: expect.stringMatching(/second time/) }),
  )
  expect(builder.ready).toBe(false)
})
