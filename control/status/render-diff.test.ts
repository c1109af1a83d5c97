import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import type { DataDiff } from '../joint/diff.ts'
import { Terminal } from '../terminal/terminal.ts'
import { renderDiff } from './render-diff.ts'

const manner: DataDiff['manner'] = {
  mode: 'exact',
  inexact: null,
  positions: ['0/31FF898'],
  pausedMs: 50,
  since: '2026-01-01T10:00:00.000Z',
  resumed: false,
  settled: 0,
  seconds: 2,
}

async function rendered(diff: DataDiff): Promise<string[]> {
  const stdout = new PassThrough()
  renderDiff(diff, new Terminal({ stdin: new PassThrough(), stdout, stderr: new PassThrough() }, false, {}))
  stdout.end()
  return (await text(stdout)).split('\n').slice(0, -1)
}

it('names the keys and columns of the first rows that differ, and counts the others', async () => {
  const name = 'public.notes -> public.memos'
  const lines = await rendered({
    direction: 'forward',
    tables: [{ table: name, compared: 500, differing: 1_203, undecided: 0 }],
    rows: [
      { table: name, key: { memo_id: '17' }, kind: 'different', columns: ['heading', 'body'] },
      { table: name, key: { memo_id: '30' }, kind: 'missing', columns: [] },
    ],
    manner,
  })
  expect(lines).toEqual([
    'table                         rows  differ',
    'public.notes -> public.memos  500   1,203',
    'both sides at one position, 0/31FF898; sync stood still for 50 milliseconds; 250 rows/s',
    '',
    'table                         key           on the service  columns',
    'public.notes -> public.memos  memo_id = 17  different       heading, body',
    'public.notes -> public.memos  memo_id = 30  missing',
    'and 1,201 rows more that differ and are not named',
  ])
})

it('says since when, and no pace, where most of it may be an earlier run’s', async () => {
  const tables = [{ table: 'a -> b', compared: 5, differing: 0, undecided: 0 }]
  const resumed = { ...manner, resumed: true }
  expect((await rendered({ direction: 'forward', tables, rows: [], manner: resumed })).slice(2)).toEqual([
    'both sides at one position, 0/31FF898; sync stood still for 50 milliseconds',
    'went on with an earlier run: compared since 2026-01-01T10:00:00.000Z',
  ])
})

it('has a column for rows that stayed undecided, where there are any', async () => {
  const tables = [
    { table: 'a -> b', compared: 5, differing: 0, undecided: 2 },
    { table: 'c -> d', compared: 7, differing: 0, undecided: 0 },
  ]
  expect((await rendered({ direction: 'forward', tables, rows: [], manner })).slice(0, 3)).toEqual([
    'table   rows  differ  undecided',
    'a -> b  5     0       2',
    'c -> d  7     0       0',
  ])
})
