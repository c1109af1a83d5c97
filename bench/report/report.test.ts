import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { benchHelp, compareRounds, median } from './report.ts'

it('takes the middle value, and the mean of the two middle ones', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(() => median([])).toThrow(RangeError)
})

it('pairs the rounds, so that a slow round of both does not move the ratio', () => {
  const row = compareRounds('requests', '1/s', [200, 20, 400], 'peer', [100, 10, 100], '>= 1.7')
  expect(row).toMatchObject({ ours: 200, theirs: 100, ratio: 2, met: true })
})

it('meets an upper limit from below only', () => {
  expect(compareRounds('median', 'ms', [1.2], 'without', [1], '<= 1.05').met).toBe(false)
  expect(compareRounds('median', 'ms', [1], 'without', [1], '<= 1.05').met).toBe(true)
  expect(compareRounds('median', 'ms', [1], 'without', [1], null).met).toBeNull()
})

it('tells in a help what is optional, what the exit codes mean, and an example at its end', () => {
  const own = {
    usage: '[--rows N]',
    help: '  --rows N     of the table',
    names: ['rows'] as const,
    fails: 'one was missed',
  }
  const lines = benchHelp('bench:diff', 'Measures.', own).split('\n')
  expect(lines).toContain('Usage: npm run bench:diff -- [--quick] [--rounds N] [--json FILE] [--rows N]')
  expect(lines.join(' ')).toMatch(
    /Exits 0 .*; 1 when it could not, or one was missed; 2 on wrong usage, 130 on Ctrl-C\./,
  )
  expect(lines.at(-1)).toBe('Example: npm run bench:diff -- --quick --json result.json')
})

it('refuses what only another script takes, rather than to leave it unheard', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, '../diff/main.ts'), '--scale'])
  expect([status, String(stderr).split('\n')[0]]).toEqual([2, 'bench:diff takes no --scale'])
})
