import { FicusError } from '@ficus/core/errors/ficus-error'
import { flagNames } from '@ficus/core/flags/flags'
import { describe, expect, it } from 'vitest'
import type { Control } from '../control.ts'
import { record } from '../gate/evaluate.ts'
import type { GateName } from '../gate/gate.ts'
import { gatherVersions } from '../gate/versions.ts'
import { createFlags } from '../preflight/flag-server.ts'
import { CAPABILITY, createMigration } from '../testing/migration.ts'
import { advance } from './advance.ts'
import { rollback } from './rollback.ts'

const { signal } = new AbortController()

/** What `check` would otherwise find missing. */
async function withFlags(control: Control): Promise<Control> {
  await createFlags(control.flagAdmin, Object.values({ ...flagNames(CAPABILITY) }))
  return control
}

/** A pass on what runs now, for gates that have a test of their own. */
async function pass(control: Control, ...gates: GateName[]): Promise<void> {
  const versions = await gatherVersions(control, CAPABILITY, signal)
  for (const gate of gates) {
    const finding = { verdict: 'pass', summary: 'by hand', evidence: {} } as const
    await record(gate, finding, { control, capability: CAPABILITY, versions })
  }
}

async function redGates(advancing: Promise<unknown>): Promise<string[]> {
  const error = await advancing.then(
    () => null,
    thrown => thrown,
  )
  if (!(error instanceof FicusError) || error.code !== 'FICUS_GATE_RED') throw error ?? new Error('it moved')
  const gates = error.details.gates as { gate: string; green: boolean; verdict: string }[]
  return gates.filter(({ green }) => !green).map(({ gate, verdict }) => `${gate} ${verdict}`)
}

/** Forced through the gates, to begin a test further on. */
async function forceTo(control: Control, phase: string): Promise<void> {
  for (;;) {
    if ((await control.ledger.capability(CAPABILITY)).phase === phase) return
    await advance(control, CAPABILITY, { signal, force: true, reason: 'the test begins here' })
  }
}

describe('advance', () => {
  it('moves from legacy to syncing on green gates; the journal keeps who, when, from, to and the evidence', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control('ada'))
    const moved = await advance(control, CAPABILITY, { signal })

    expect(moved).toMatchObject({
      from: 'legacy',
      state: { phase: 'syncing', owner: 'monolith', epoch: 1 },
      forced: [],
    })
    const [entry] = await control.ledger.journal({ capability: CAPABILITY })
    expect(entry).toMatchObject({
      actor: 'ada',
      action: 'advance',
      fromPhase: 'legacy',
      toPhase: 'syncing',
      epoch: 1,
      reason: null,
      evidence: {
        versions: { monolith: '1.0', service: '7', sync: expect.stringMatching(/^sha256:/) },
        gates: [
          { gate: 'check', green: true, verdict: 'pass' },
          { gate: 'service', green: true, verdict: 'pass' },
        ],
      },
    })
    expect(Date.now() - (entry?.at.getTime() ?? 0)).toBeLessThan(60_000)
    const stored = await control.ledger.latestGates(CAPABILITY)
    expect(stored.get('check')?.id).toBe(moved.gates[0]?.id)
  })

  it('invariant 9: no red gate lets it move; the error lists each with the command that helps', async () => {
    await using migration = await createMigration()
    const control = await migration.control()
    migration.service.ready = false

    const refused = advance(control, CAPABILITY, { signal })
    await expect(refused).rejects.toMatchObject({ code: 'FICUS_GATE_RED', exitCode: 1 })
    await expect(refused).rejects.toThrow(/check \(fail\)[\s\S]*ficus check notes[\s\S]*service \(fail\)/)
    expect(await redGates(refused)).toEqual(['check fail', 'service fail'])
    expect(await control.ledger.capability(CAPABILITY)).toMatchObject({ phase: 'legacy', epoch: 0 })
    expect((await control.ledger.latestGates(CAPABILITY)).get('check')?.verdict).toBe('fail')
  })

  it('invariant 9: contracts and load count while they are fresh, and for exactly the versions that run', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    await forceTo(control, 'shadowing')
    const red = () => redGates(advance(control, CAPABILITY, { signal }))
    const slow = async () => (await red()).filter(gate => /^(contracts|load) /.test(gate))

    expect(await slow()).toEqual(['contracts missing', 'load missing'])
    await pass(control, 'contracts', 'load')
    expect(await slow()).toEqual([])

    migration.service.version = '8'
    expect(await slow()).toEqual(['contracts stale', 'load stale'])
    migration.service.version = '7'
    expect(await slow()).toEqual([])

    await migration.writeSync(`// another text, another version\n${'export default { tables: [] }'}`)
    expect(await slow()).toEqual(['contracts stale', 'load stale'])
  })

  it('invariant 9: a version that changes while the gates run refuses the move, even by force', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    const done = () => {
      migration.service.version = '7.1'
    }
    const options = { signal, force: true, reason: 'in a hurry', done }
    await expect(advance(control, CAPABILITY, options)).rejects.toThrow('versions changed while the gates ran')
    expect((await control.ledger.capability(CAPABILITY)).phase).toBe('legacy')
  })

  it('invariant 9: --force needs a reason, and the journal keeps it with the gates that were red', async () => {
    await using migration = await createMigration()
    const control = await migration.control()
    await expect(advance(control, CAPABILITY, { signal, force: true, reason: ' ' })).rejects.toMatchObject({
      code: 'FICUS_USAGE',
    })
    const moved = await advance(control, CAPABILITY, { signal, force: true, reason: 'the flags come tomorrow' })
    expect(moved.forced).toEqual(['check'])
    const [entry] = await control.ledger.journal({ capability: CAPABILITY })
    expect(entry).toMatchObject({ reason: 'the flags come tomorrow', evidence: { forced: ['check'] } })
  })

  it('stops at canary: the switch of writes is not there yet', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    await forceTo(control, 'canary')
    await expect(advance(control, CAPABILITY, { signal, force: true, reason: 'x' })).rejects.toMatchObject({
      code: 'FICUS_MOVE_NOT_ALLOWED',
      exitCode: 1,
      message: expect.stringContaining('does not switch writes yet'),
    })
  })

  it('twice at once: one wins, the other is refused by the lease', async () => {
    await using migration = await createMigration()
    const ada = await withFlags(await migration.control('ada'))
    const bob = await migration.control('bob')
    const results = await Promise.allSettled([
      advance(ada, CAPABILITY, { signal }),
      advance(bob, CAPABILITY, { signal }),
    ])

    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'FICUS_LEASE_HELD', exitCode: 1, message: expect.stringContaining('is being moved by') },
    })
    expect(await ada.ledger.capability(CAPABILITY)).toMatchObject({ phase: 'syncing', epoch: 1 })
  })

  it('invariant 13: an unreachable service refuses before anything is done', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    await migration.service.stop()
    await expect(advance(control, CAPABILITY, { signal })).rejects.toMatchObject({
      code: 'FICUS_SERVICE_UNREACHABLE',
      exitCode: 3,
    })
    expect(await control.ledger.journal()).toEqual([])
  })
})

describe('rollback', () => {
  it.each(['syncing', 'shadowing', 'canary'])('invariant 10: %s has a way back, phase by phase', async phase => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control('ada'))
    await forceTo(control, phase)
    const back = { canary: 'shadowing', shadowing: 'syncing', syncing: 'legacy' }[phase]
    const result = await rollback(control, CAPABILITY, { signal, reason: 'prices are rounded' })

    expect(result).toMatchObject({ from: phase, state: { phase: back, owner: 'monolith' }, dialsLeft: [] })
    expect((await control.ledger.journal()).at(-1)).toMatchObject({
      actor: 'ada',
      action: 'rollback',
      fromPhase: phase,
      toPhase: back,
      reason: 'prices are rounded',
    })
    // And forward again.
    await advance(control, CAPABILITY, { signal, force: true, reason: 'again' })
    expect((await control.ledger.capability(CAPABILITY)).phase).toBe(phase)
  })

  it('invariant 10: from canary to legacy at once turns both dials off and passes every phase', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    await forceTo(control, 'canary')
    const names = flagNames(CAPABILITY)
    await control.flagAdmin.set(
      new Map([
        [names.read, 25],
        [names.shadow, 100],
      ]),
    )

    const result = await rollback(control, CAPABILITY, { signal, to: 'legacy' })
    expect(result).toMatchObject({ path: ['shadowing', 'syncing', 'legacy'], droppedBy: 'ficus' })
    expect(await migration.dials()).toEqual({ read: 0, shadow: 0, write: 0 })
    expect(await control.ledger.capability(CAPABILITY)).toMatchObject({ phase: 'legacy', epoch: 6 })
  })

  it('invariant 12: goes back without the flag server, and says which dial it left', async () => {
    await using migration = await createMigration({
      sections: { flags: { provider: 'unleash', url: 'http://127.0.0.1:9', token: 't', adminToken: 'a' } },
    })
    const control = await migration.control()
    await forceTo(control, 'canary')
    const result = await rollback(control, CAPABILITY, { signal })
    expect(result.state.phase).toBe('shadowing')
    expect(result.dialsLeft).toMatchObject([{ dial: 'read', error: { code: 'FICUS_FLAGS_UNREACHABLE' } }])
    expect((await control.ledger.journal()).at(-1)?.evidence).toMatchObject({
      dialLeft: { dial: 'read', error: { code: 'FICUS_FLAGS_UNREACHABLE' } },
    })
  })

  it('run again, it goes on or has nothing left to do', async () => {
    await using migration = await createMigration()
    const control = await withFlags(await migration.control())
    await forceTo(control, 'syncing')
    await rollback(control, CAPABILITY, { signal })
    await expect(rollback(control, CAPABILITY, { signal, to: 'legacy' })).resolves.toMatchObject({ path: [] })
    await expect(rollback(control, CAPABILITY, { signal })).rejects.toMatchObject({ code: 'FICUS_MOVE_NOT_ALLOWED' })
    await expect(rollback(control, CAPABILITY, { signal, to: 'canary' })).rejects.toThrow('the phase after legacy')
  })
})
