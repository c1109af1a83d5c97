import { expect, it } from 'vitest'
import { notesOf, rowsOf } from './results.ts'
import type { Turn } from './turn.ts'
import { QUICK, workloadsOf } from './workload.ts'

/** A turn in which everything went at one rate. */
function turnAt(rowsPerSecond: number, p99: number, rate: number, peakMemory: number | null): Turn {
  const names = ['initial copy', ...workloadsOf(QUICK).map(({ what }) => what)]
  const measured = { rowsPerSecond, ownCpu: null, serverCpu: null, peakMemory }
  return {
    measured: new Map(names.map(name => [name, measured])),
    lag: { lag: { p50: 1, p90: p99, p99, max: p99 }, rate },
  }
}

it('compares what is a rate with PostgreSQL, and what is bounded with its limit', () => {
  const rows = rowsOf(
    { ficus: [turnAt(140, 50, 1_000, 150 * 2 ** 20)], native: [turnAt(100, 5, 1_000, null)], gathering: [] },
    QUICK,
  )
  expect(rows.map(({ what, target, met }) => [what, target, met])).toEqual([
    ['initial copy', '>= 1.3', true],
    ['batch inserts', '>= 1.3', true],
    ['single-row transactions', '>= 1.4', true],
    ['bulk update', '>= 1.1', true],
    ['lag at 1,000 transactions/s, p50', null, null],
    ['lag at 1,000 transactions/s, p99', null, null],
    ['lag at 1,000 transactions/s, p99', '<= 1', true],
    ['peak memory', '<= 1', true],
  ])
  expect(rows.at(-1)).toMatchObject({ ours: 150, theirs: 300, ratio: 0.5 })
})

it('shows what gathering jsonb takes beside the same turns of PostgreSQL', () => {
  const { measured } = turnAt(80, 50, 1_000, null)
  const rows = rowsOf(
    {
      ficus: [turnAt(140, 50, 1_000, null)],
      gathering: [{ measured: new Map([...measured].slice(0, 1)) }],
      native: [turnAt(100, 5, 1_000, null)],
    },
    QUICK,
  )
  expect(rows.find(({ what }) => what === 'initial copy, gathering jsonb')).toMatchObject({ ours: 80, target: null })
})

it('leaves memory out where the system does not tell it', () => {
  const rows = rowsOf(
    { ficus: [turnAt(140, 50, 1_000, null)], native: [turnAt(100, 5, 1_000, null)], gathering: [] },
    QUICK,
  )
  expect(rows.some(({ what }) => what === 'peak memory')).toBe(false)
})

it('says when the source itself was too slow for the lag to mean anything', () => {
  const notes = notesOf(
    { ficus: [turnAt(140, 50, 700, null)], native: [turnAt(100, 5, 1_000, null)], gathering: [] },
    QUICK,
  )
  expect(notes.filter(note => note.includes('only'))).toEqual([
    'Ficus: the source committed only 700 transactions/s while lag was measured.',
  ])
})
