import { setTimeout as delay } from 'node:timers/promises'
import { flagNames } from '@ficus/core/flags/flags'
import { expect, it, vi } from 'vitest'
import { createFlags } from '../preflight/flag-server.ts'
import { runCli, startCli } from '../testing/cli.ts'
import { CAPABILITY, createMigration, type TestMigration } from '../testing/migration.ts'
import { withLease } from './lease.ts'

const { signal } = new AbortController()

/** Waits until somebody has the lease. @returns who. */
function leaseHolder(migration: TestMigration): Promise<unknown> {
  return vi.waitFor(
    async () => {
      const [lease] = await migration.run('ledger', 'SELECT holder FROM ficus.lease')
      expect(lease).toBeDefined()
      return lease?.holder
    },
    { timeout: 15_000, interval: 50 },
  )
}

/** A migration with its flags, ready to be advanced. */
async function readyMigration(): Promise<TestMigration> {
  const migration = await createMigration()
  const control = await migration.control()
  await createFlags(control.flagAdmin, Object.values({ ...flagNames(CAPABILITY) }))
  return migration
}

it('is renewed while the work goes on, and released when it ends, fails or is interrupted', async () => {
  await using migration = await createMigration()
  const [ada, bob] = [await migration.control('ada'), await migration.control('bob')]
  const held = () => withLease(bob, CAPABILITY, signal, async () => 'free')

  await withLease(ada, CAPABILITY, signal, async () => {
    await expect(held()).rejects.toMatchObject({ code: 'FICUS_LEASE_HELD' })
    // Whoever takes it as the same holder does not wait for itself.
    await ada.ledger.takeLease(CAPABILITY, ada.holder, 15_000)
  })
  await expect(held()).resolves.toBe('free')

  await withLease(ada, CAPABILITY, signal, () => Promise.reject(new Error('broken'))).catch(() => {})
  await expect(held()).resolves.toBe('free')

  const interrupt = new AbortController()
  const endless = withLease(ada, CAPABILITY, interrupt.signal, () => delay(60_000, undefined, { ref: false }))
  setTimeout(() => interrupt.abort('SIGINT'), 100)
  await expect(endless).rejects.toBe('SIGINT')
  await expect(held()).resolves.toBe('free')
})

it('`ficus advance` run twice at once: one moves, the other ends with 1 and FICUS_LEASE_HELD', async () => {
  await using migration = await readyMigration()
  const lock = await migration.lockNotes()
  const first = startCli(['advance', CAPABILITY, '--as', 'ada'], migration.directory)
  expect(await leaseHolder(migration)).toContain('ada on ')

  const second = await runCli(['advance', CAPABILITY, '--as', 'bob', '--json'], migration.directory)
  expect(second.code).toBe(1)
  expect(JSON.parse(second.stdout)).toMatchObject({
    error: { code: 'FICUS_LEASE_HELD', message: expect.stringContaining('is being moved by ada on ') },
  })

  await lock[Symbol.asyncDispose]()
  expect(await first.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('moved from legacy to syncing') })
  const journal = await migration.run('ledger', 'SELECT actor, to_phase FROM ficus.journal')
  expect(journal).toEqual([{ actor: 'ada', to_phase: 'syncing' }])
})

it.each(['SIGINT', 'SIGTERM'] as const)('%s releases it, ends the command with 130 and moves nothing', async signal => {
  await using migration = await readyMigration()
  await using _lock = await migration.lockNotes()
  const interrupted = startCli(['advance', CAPABILITY], migration.directory)
  await leaseHolder(migration)
  interrupted.kill(signal)

  const { code, stderr } = await interrupted.ended
  expect({ code, stderr }).toEqual({ code: 130, stderr: 'interrupted; run the command again to go on' })
  expect(await migration.run('ledger', 'SELECT holder FROM ficus.lease')).toEqual([])
  expect(await migration.run('ledger', 'SELECT phase FROM ficus.capability')).toEqual([{ phase: 'legacy' }])
})

it('runs out where the operator was killed', async () => {
  await using migration = await readyMigration()
  {
    await using _lock = await migration.lockNotes()
    const killed = startCli(['advance', CAPABILITY], migration.directory)
    await leaseHolder(migration)
    killed.kill('SIGKILL')
    await killed.ended
  }
  const refused = await runCli(['advance', CAPABILITY], migration.directory)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/FICUS_LEASE_HELD.*runs out in \d+ s/) })
  // No need to wait for it here.
  await migration.run('ledger', `UPDATE ficus.lease SET expires_at = now() - interval '1 ms'`)
  expect(await runCli(['advance', CAPABILITY], migration.directory)).toMatchObject({ code: 0 })
})
