import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BatchBuilder } from '../change-source/batch-builder.ts'
import type { Change, Relation } from '../change-source/change-source.ts'
import { encodeTextTuple, valueAt } from '../change-source/tuple.ts'
import { OPERATION } from '../mapping/merge-sql.ts'
import { collapse, locate } from './collapse.ts'

const RELATION: Relation = {
  table: { schema: 'public', table: 'products' },
  format: 'text',
  columns: ['id', 'name', 'body'].map(name => ({ name, type: 'text', identity: name === 'id' })),
}

type Row = readonly [id: string, name: string | null, body: string | null | undefined]

/** A change as a test writes it; a `body` of undefined was not sent. */
type Step =
  | { readonly kind: 'insert'; readonly row: Row }
  | { readonly kind: 'update'; readonly old?: Row; readonly row: Row }
  | { readonly kind: 'delete'; readonly old: Row }
  | { readonly kind: 'truncate' }

const insert = (...row: Row): Step => ({ kind: 'insert', row })
const update = (...row: Row): Step => ({ kind: 'update', row })
const rekey = (old: string, ...row: Row): Step => ({ kind: 'update', old: [old, null, null], row })
const remove = (id: string): Step => ({ kind: 'delete', old: [id, null, null] })

/** What a run comes to: keys that moved, then operations and values, `?` for what is unknown. */
interface Run {
  readonly truncated: boolean
  readonly rows: readonly string[]
  /** Whether the moves are to be done one by one. */
  readonly inTurn: boolean
}

/** @returns one run after the other, almost always one. */
function collapsed(steps: readonly Step[], moves = true): readonly Run[] {
  const builder = new BatchBuilder(1_000, 1_000_000)
  for (const step of steps) {
    const old = 'old' in step && step.old ? encodeTextTuple(step.old) : null
    const row = 'row' in step ? encodeTextTuple(step.row) : null
    const bytes = Buffer.concat([old ?? Buffer.alloc(0), row ?? Buffer.alloc(0)])
    builder.add(step.kind, RELATION, bytes, old === null ? -1 : 0, row === null ? -1 : (old?.length ?? 0))
  }
  builder.commit({ lsn: '0/1' }, 0)
  const { data, changes } = builder.take()
  const runs: Run[] = []
  for (let rest = changes; rest.length > 0; ) {
    const { run, taken } = show(data, rest, moves)
    runs.push(run)
    rest = rest.slice(taken)
  }
  return runs
}

function show(data: Buffer, changes: readonly Change[], moves: boolean): { run: Run; taken: number } {
  const { truncated, rows, moved, inTurn, taken } = collapse(data, changes, [0], moves)
  const names = Object.entries(OPERATION)
  const shown = rows.map(({ operation, starts, unknown }) => {
    const places = typeof starts === 'number' ? locate(data, starts) : starts
    const values = places.map((start, index) =>
      unknown.includes(index) ? '?' : (valueAt(data, start)?.toString() ?? 'null'),
    )
    return `${names.find(([, code]) => code === operation)?.[0]} ${values.join(' ')}`
  })
  const keyAt = (starts: readonly number[]) => valueAt(data, starts[0] ?? -1)?.toString()
  const movements = moved.map(({ from, to }) => `MOVE ${keyAt(from)} ${keyAt(to)}`)
  return { run: { truncated, rows: [...movements, ...shown], inTurn }, taken }
}

const cases: readonly [name: string, steps: readonly Step[], rows: readonly string[]][] = [
  ['inserts stay inserts', [insert('1', 'a', 'x'), insert('2', 'b', null)], ['INSERT 1 a x', 'INSERT 2 b null']],
  ['the last update of a key wins', [update('1', 'a', 'x'), update('1', 'b', 'y')], ['UPDATE 1 b y']],
  ['a new row that is updated is an insert', [insert('1', 'a', 'x'), update('1', 'b', undefined)], ['INSERT 1 b x']],
  ['a deleted row stays deleted', [update('1', 'a', 'x'), remove('1')], ['DELETE 1 null null']],
  ['a row deleted and inserted anew is replaced', [remove('1'), insert('1', 'b', 'y')], ['REPLACE 1 b y']],
  ['a replaced row stays so', [remove('1'), insert('1', 'b', 'y'), update('1', 'c', undefined)], ['REPLACE 1 c y']],
  ['a row whose key changed is moved, and updated there', [rekey('1', '2', 'a', 'x')], ['MOVE 1 2', 'UPDATE 2 a x']],
  [
    'a row is moved once, from where it was to where it is',
    [update('1', 'a', 'x'), rekey('1', '2', 'b', undefined), rekey('2', '3', 'c', 'y')],
    ['MOVE 1 3', 'UPDATE 3 c y'],
  ],
  [
    'a value that nobody told stays with the row that moved',
    [rekey('1', '2', 'b', undefined)],
    ['MOVE 1 2', 'UPDATE 2 b ?'],
  ],
  ['an unsent value is the earlier one', [update('1', 'a', 'long'), update('1', 'b', undefined)], ['UPDATE 1 b long']],
  [
    'an unsent value follows its row to another key',
    [insert('1', 'a', 'long'), rekey('1', '2', 'b', undefined)],
    ['DELETE 1 null null', 'INSERT 2 b long'],
  ],
  [
    'an unsent value is taken from a full old row',
    [{ kind: 'update', old: ['1', 'a', 'long'], row: ['1', 'b', undefined] }],
    ['UPDATE 1 b long'],
  ],
  ['an unsent value that nobody told', [update('1', 'b', undefined), update('1', 'c', undefined)], ['UPDATE 1 c ?']],
  ['keys that begin alike', [insert('1', 'a', 'x'), remove('11')], ['INSERT 1 a x', 'DELETE 11 null null']],
]

describe('collapse', () => {
  it.each(cases)('%s', (_name, steps, rows) => {
    const [run, ...others] = collapsed(steps)
    expect(run?.rows.toSorted()).toEqual(rows.toSorted())
    expect(run?.truncated).toBe(false)
    expect(others).toEqual([])
  })

  it('moves rows in turn where one takes the key that another left', () => {
    const swap = [rekey('1', '3', 'a', 'x'), rekey('2', '1', 'b', 'y'), rekey('3', '2', 'a', 'x')]
    const rows = ['MOVE 1 3', 'MOVE 2 1', 'MOVE 3 2', 'UPDATE 1 b y', 'UPDATE 2 a x']
    expect(collapsed(swap)).toEqual([{ truncated: false, rows, inTurn: true }])
  })

  it('ends before a row that takes the key of another and is not moved in turn', () => {
    expect(collapsed([remove('2'), rekey('1', '2', 'a', 'x')])).toHaveLength(2)
    expect(collapsed([rekey('1', '2', 'a', 'x'), insert('1', 'b', 'y')])).toHaveLength(2)
    expect(collapsed([rekey('1', '2', 'a', 'x'), remove('2')])).toHaveLength(2)
    expect(collapsed([update('3', 'c', 'z'), remove('2'), insert('2', 'b', 'y')])).toHaveLength(1)
  })

  it('inserts rows anew that cannot be moved', () => {
    const swap = [rekey('1', '3', 'a', 'x'), rekey('2', '1', 'b', 'y'), rekey('3', '2', 'a', 'x')]
    const [run, ...others] = collapsed(swap, false)
    expect(run?.rows.toSorted()).toEqual(['DELETE 3 null null', 'REPLACE 1 b y', 'REPLACE 2 a x'])
    expect(others).toEqual([])
  })

  it('forgets what came before a truncate', () => {
    const steps = [update('1', 'a', 'x'), { kind: 'truncate' } as const, insert('1', 'b', 'y')]
    expect(collapsed(steps)).toEqual([{ truncated: true, rows: ['INSERT 1 b y'], inTurn: false }])
  })

  it('invariant 3: comes to the same table as the changes one by one', () => {
    const choice = fc.record({ id: fc.nat(5), other: fc.nat(5), what: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(choice, { maxLength: 40 }), choices => {
        const before = new Map(['0', '1', '2'].map(id => [id, 'old']))
        const live = new Map(before)
        const steps = choices.map(({ id, other, what }, index) =>
          play(live, String(id), String(other), what, `n${index}`),
        )
        const table = collapsed(steps).reduce((rows, run) => applied(rows, run), new Map(before))
        expect([...table].sort()).toEqual([...live].sort())
      }),
    )
  })
})

/** A change that is possible on the table as it is, which it then changes. */
function play(live: Map<string, string>, id: string, other: string, what: number, name: string): Step {
  const existed = live.has(id)
  if (existed && what === 0) {
    live.delete(id)
    return remove(id)
  }
  if (existed && what === 1 && !live.has(other)) {
    live.delete(id)
    live.set(other, name)
    return rekey(id, other, name, 'x')
  }
  live.set(id, name)
  return existed ? update(id, name, 'x') : insert(id, name, 'x')
}

/**
 * The table after the collapsed rows: all moves first, each from a row to where none is, or none any more, then all removals,
 * as the merge does; an update must find its row, an insert none.
 */
function applied(before: ReadonlyMap<string, string>, { rows, inTurn }: Run): Map<string, string> {
  const table = new Map(before)
  const parsed = rows.map(row => row.split(' '))
  for (const [operation, from = '', to = ''] of parsed) {
    if (operation !== 'MOVE') continue
    const seen = inTurn ? table : before
    expect([seen.has(from), seen.has(to)], `${from} to ${to}`).toEqual([true, false])
    table.set(to, table.get(from) ?? '')
    table.delete(from)
  }
  for (const [operation, id = ''] of parsed) if (operation === 'DELETE' || operation === 'REPLACE') table.delete(id)
  for (const [operation, id = '', name = ''] of parsed) {
    if (operation === 'DELETE' || operation === 'MOVE') continue
    expect(table.has(id), `${operation} ${id}`).toBe(operation === 'UPDATE')
    table.set(id, name)
  }
  return table
}
