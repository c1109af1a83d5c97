import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { flagNames, inRollout } from './flags.ts'
import { openFlagAdmin } from './open-flag-admin.ts'
import { openFlags } from './open-flags.ts'

const READ = 'ficus.catalog.read'

it('names the three dials of a capability', () => {
  expect(flagNames('catalog')).toEqual({
    read: 'ficus.catalog.read',
    shadow: 'ficus.catalog.shadow',
    write: 'ficus.catalog.write',
  })
})

it('0 percent reaches nobody and 100 everybody; below 1 nobody, as in Unleash', () => {
  fc.assert(
    fc.property(fc.string(), key => {
      expect(inRollout(READ, key, 0)).toBe(false)
      expect(inRollout(READ, key, 0.99)).toBe(false)
      expect(inRollout(READ, key, 100)).toBe(true)
    }),
  )
})

it('raising a rollout takes nobody away', () => {
  const percent = fc.integer({ min: 0, max: 100 })
  fc.assert(
    fc.property(fc.string(), percent, percent, (key, one, other) => {
      const [low, high] = [Math.min(one, other), Math.max(one, other)]
      if (inRollout(READ, key, low)) expect(inRollout(READ, key, high)).toBe(true)
    }),
  )
})

it('different dials reach different users at the same rollout', () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => `user-${index}`)
  const both = keys.filter(key => inRollout(READ, key, 50) && inRollout('ficus.orders.read', key, 50))
  expect(both.length).toBeGreaterThan(200)
  expect(both.length).toBeLessThan(300)
})

it('opens a flag file by its path beside the config file, to read and to set', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ficus-flags-'))
  try {
    const config = { provider: 'file' as const, path: './flags/dials.json' }
    await openFlagAdmin(config, { directory }).set(new Map([[READ, 100]]))
    const flags = openFlags(config, { directory, stateDir: join(directory, 'state') })
    await flags.start(new AbortController().signal)
    expect(flags.isEnabled(READ, 'anyone')).toBe(true)
    await flags.stop()
  } finally {
    await rm(directory, { recursive: true })
  }
})
