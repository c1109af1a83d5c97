import { SYNC_POINTS } from '@ficus/cdc/pipeline/points'
import { mulberry32 } from '@ficus/deploy/testing/random'
import { expect, it } from 'vitest'
import { countDeaths, describeVictim, planRounds } from './victims.ts'

const EVERYBODY = ['source', 'target', 'kafka', 'connect'] as const

it('kills at every named point and every server in 50 rounds, copies first, then additions', () => {
  const rounds = planRounds(50, EVERYBODY, mulberry32(1))
  const who = new Set(
    rounds.map(({ during, victim }) =>
      `${during}: ${victim.kind} ${'point' in victim ? victim.point : 'server' in victim ? victim.server : ''}`.trim(),
    ),
  )
  expect(rounds).toHaveLength(50)
  expect([...who].sort()).toMatchInlineSnapshot(`
    [
      "add: server connect",
      "add: server kafka",
      "add: server source",
      "add: server target",
      "add: sync at point added.chunk",
      "add: sync at point added.published",
      "add: sync at point added.read",
      "copy: server connect",
      "copy: server kafka",
      "copy: server source",
      "copy: server target",
      "copy: sync at point copy.claimed",
      "copy: sync at point copy.finished",
      "copy: sync at point copy.indexed",
      "copy: sync at point copy.indexes-dropped",
      "copy: sync at point copy.published",
      "copy: sync at point copy.range",
      "copy: sync at point copy.rows",
      "copy: sync at point copy.slot",
      "drop: sync at point drop.slot",
      "stream: server connect",
      "stream: server kafka",
      "stream: server source",
      "stream: server target",
      "stream: sync",
      "stream: sync at point apply.acknowledged",
      "stream: sync at point apply.begun",
      "stream: sync at point apply.committed",
      "stream: sync at point apply.committing",
      "stream: sync at point apply.merged",
    ]
  `)
  expect(who).toEqual(expect.objectContaining({ size: 30 }))
  // A point that nobody dies at shows nothing.
  const points = rounds.flatMap(({ victim }) => ('point' in victim ? [victim.point] : []))
  expect(new Set(points)).toEqual(new Set(SYNC_POINTS))
  const order = rounds.map(({ during }) => (during === 'drop' ? 'copy' : during))
  expect(order).toEqual([...Array(13).fill('copy'), ...Array(7).fill('add'), ...Array(30).fill('stream')])
})

it('counts who died while what was done', () => {
  const counts = countDeaths(planRounds(50, EVERYBODY, mulberry32(1)))
  expect(counts.size).toBe(30)
  expect([...counts.values()].reduce((sum, times) => sum + times)).toBe(50)
  expect(counts.get('copy    sync at copy.range')).toBe(1)
})

it('plans the same for the same seed, and something else for another', () => {
  const plan = (seed: number) => planRounds(20, EVERYBODY, mulberry32(seed)).map(({ victim }) => describeVictim(victim))
  expect(plan(7)).toEqual(plan(7))
  expect(plan(7)).not.toEqual(plan(8))
})

it('copies, drops and adds nothing in reverse', () => {
  const rounds = planRounds(30, EVERYBODY, mulberry32(1), 'reverse')
  expect(rounds).toHaveLength(30)
  expect(new Set(rounds.map(({ during }) => during))).toEqual(new Set(['stream']))
})
