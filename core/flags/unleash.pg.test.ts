import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { startTestUnleash } from '@ficus/deploy/testing/unleash'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Flags, flagNames, inRollout } from './flags.ts'
import { openFlagAdmin } from './open-flag-admin.ts'
import { openFlags } from './open-flags.ts'
import { capturedLog } from './testing/captured-log.ts'
import { startFront } from './testing/unleash-front.ts'
import { UnleashFlagAdmin } from './unleash-admin.ts'

const KEYS = Array.from({ length: 1_000 }, (_, index) => `user-${index}@example.com`)
const never = new AbortController().signal

let unleash: Awaited<ReturnType<typeof startTestUnleash>>
let admin: UnleashFlagAdmin
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-flags-'))
  unleash = await startTestUnleash()
  admin = adminWith(unleash.adminToken)
})

afterAll(async () => {
  await unleash?.stop()
  await rm(folder, { recursive: true, force: true })
})

const config = (over: { url?: string; token?: string } = {}) => ({
  provider: 'unleash' as const,
  url: unleash.url,
  token: unleash.clientToken,
  project: 'default',
  environment: 'development',
  pollInterval: 100,
  ...over,
})

const adminWith = (adminToken: string, over: { project?: string; environment?: string } = {}) =>
  new UnleashFlagAdmin({ ...config(), adminToken, ...over })

/** Started flags that `await using` stops. */
async function started(over: { url?: string; token?: string } = {}, stateDir = folder) {
  const flags = openFlags(config(over), { directory: folder, stateDir })
  await flags.start(never)
  return Object.assign(flags, { [Symbol.asyncDispose]: () => flags.stop() })
}

const share = (flags: Flags, flag: string) => KEYS.filter(key => flags.isEnabled(flag, key)).length
const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 20 })

describe('setting dials', () => {
  it('creates a flag, sets its rollout, changes it, and reads it back', async () => {
    const { read, shadow, write } = flagNames('created')
    expect([...(await admin.read([read]))]).toEqual([[read, null]])
    await admin.set(
      new Map([
        [read, 25],
        [shadow, 100],
      ]),
    )
    await admin.set(new Map([[read, 0]]))
    expect([...(await admin.read([read, shadow, write]))]).toEqual([
      [read, 0],
      [shadow, 100],
      [write, null],
    ])
  })

  it('replaces whatever strategies a person gave the flag by one sticky rollout, and turns it on', async () => {
    const flag = 'ficus.by-hand.read'
    const path = `${unleash.url}/api/admin/projects/default/features`
    const headers = { authorization: unleash.adminToken, 'content-type': 'application/json' }
    const strategies = `${path}/${flag}/environments/development/strategies`
    await fetch(path, { method: 'POST', headers, body: JSON.stringify({ name: flag }) })
    for (const body of [
      { name: 'default' },
      { name: 'flexibleRollout', parameters: { rollout: '70', stickiness: 'random', groupId: 'other' } },
      { name: 'flexibleRollout', parameters: { rollout: '80', stickiness: 'default', groupId: 'third' } },
    ]) {
      expect((await fetch(strategies, { method: 'POST', headers, body: JSON.stringify(body) })).status).toBe(200)
    }
    expect(await admin.read([flag])).toEqual(new Map([[flag, 0]]))

    await admin.set(new Map([[flag, 30]]))

    expect(await (await fetch(strategies, { headers })).json()).toMatchObject([
      { name: 'flexibleRollout', parameters: { rollout: '30', stickiness: 'userId', groupId: flag } },
    ])
    expect(await admin.read([flag])).toEqual(new Map([[flag, 30]]))
  })

  it('invariant 13: names what was set before it failed', async () => {
    await expect(
      admin.set(
        new Map([
          ['ficus.first.read', 10],
          ['not a flag', 10],
        ]),
      ),
    ).rejects.toMatchObject({
      code: 'FICUS_FLAGS_REFUSED',
      message: expect.stringMatching(/^not a flag was not set, set before it: ficus\.first\.read: .* answered 400/),
      details: { failed: 'not a flag', set: ['ficus.first.read'] },
    })
  })

  it('invariant 13: says which token, project or environment is wrong', async () => {
    const dials = new Map([['ficus.refused.read', 10]])
    for (const token of ['*:*.wrong', unleash.clientToken]) {
      await expect(adminWith(token).set(dials)).rejects.toMatchObject({
        code: 'FICUS_FLAGS_REFUSED',
        message: expect.stringContaining('refused flags.adminToken with 40'),
      })
    }
    await expect(adminWith(unleash.adminToken, { project: 'nowhere' }).set(dials)).rejects.toMatchObject({
      code: 'FICUS_FLAGS_REFUSED',
      remedy: expect.stringContaining('flags.project is nowhere'),
    })
    await expect(adminWith(unleash.adminToken, { environment: 'nowhere' }).set(dials)).rejects.toMatchObject({
      code: 'FICUS_FLAGS_REFUSED',
      remedy: expect.stringContaining('flags.environment is nowhere'),
    })
    expect(() => openFlagAdmin(config(), { directory: folder })).toThrow(
      expect.objectContaining({
        code: 'FICUS_FLAGS_REFUSED',
        remedy: expect.stringContaining('Add flags.adminToken'),
      }),
    )
  })

  it('says that the server is down', async () => {
    await expect(
      new UnleashFlagAdmin({ ...config({ url: 'http://127.0.0.1:1' }), adminToken: 'any' }).read([
        'ficus.catalog.read',
      ]),
    ).rejects.toMatchObject({
      code: 'FICUS_FLAGS_UNREACHABLE',
      message: expect.stringContaining('http://127.0.0.1:1 cannot be reached'),
    })
  })
})

describe('reading dials', () => {
  it('agrees with inRollout on 1,000 keys at every rollout tried', async () => {
    const rollouts = [0, 1, 2, 10, 25, 33, 50, 75, 99, 100]
    const flag = (rollout: number) => `ficus.rollout-${rollout}.read`
    await admin.set(new Map(rollouts.map(rollout => [flag(rollout), rollout])))
    await using flags = await started()
    await until(() => expect(share(flags, flag(100))).toBe(1_000))
    for (const rollout of rollouts) {
      const ours = KEYS.filter(key => inRollout(flag(rollout), key, rollout))
      expect(KEYS.filter(key => flags.isEnabled(flag(rollout), key))).toEqual(ours)
      expect(Math.abs(ours.length / 10 - rollout)).toBeLessThan(4)
    }
  })

  it('follows a dial without a restart; a flag that nobody made is off', async () => {
    const flag = 'ficus.followed.read'
    await admin.set(new Map([[flag, 0]]))
    await using flags = await started()
    expect(flags.state()).toEqual({ provider: 'unleash', synchronizedAt: expect.any(Date), error: null })
    expect(share(flags, flag)).toBe(0)
    expect(share(flags, 'ficus.nobody.read')).toBe(0)
    await admin.set(new Map([[flag, 100]]))
    await until(() => expect(share(flags, flag)).toBe(1_000))
  })

  it('gives a key the same answer under each of Unleash’s sticky settings', async () => {
    const headers = { authorization: unleash.adminToken, 'content-type': 'application/json' }
    const names = ['userId', 'sessionId', 'default'].map(stickiness => [stickiness, `ficus.by-${stickiness}.read`])
    for (const [stickiness, flag] of names) {
      await admin.set(new Map([[flag ?? '', 40]]))
      const path = `${unleash.url}/api/admin/projects/default/features/${flag}/environments/development/strategies`
      const strategies: unknown = await (await fetch(path, { headers })).json()
      const [strategy] = Array.isArray(strategies) ? strategies : []
      const parameters = { rollout: '40', stickiness, groupId: flag }
      const body = JSON.stringify({ ...strategy, parameters })
      expect((await fetch(`${path}/${strategy.id}`, { method: 'PUT', headers, body })).status).toBe(200)
    }
    await using flags = await started()
    for (const [, flag = ''] of names) {
      await until(() =>
        expect(KEYS.filter(key => flags.isEnabled(flag, key))).toEqual(KEYS.filter(key => inRollout(flag, key, 40))),
      )
    }
  })

  it('invariant 12: a server that refuses, fails or hangs keeps the last dials, is told once, and is read again', async () => {
    const flag = 'ficus.failing.read'
    await admin.set(new Map([[flag, 100]]))
    await using front = await startFront(unleash.url)
    const log = capturedLog()
    const stateDir = await mkdtemp(join(folder, 'state-'))
    const flags = openFlags(config({ url: front.url }), { directory: folder, stateDir, log: log.logger })
    await using _stopped = { [Symbol.asyncDispose]: () => flags.stop() }
    await flags.start(never)
    await until(() => expect(share(flags, flag)).toBe(1_000))

    for (const [answer, code, says] of [
      [401, 'FICUS_FLAGS_REFUSED', 'refused flags.token with 401'],
      [403, 'FICUS_FLAGS_REFUSED', 'refused flags.token with 403'],
      [503, 'FICUS_FLAGS_UNREACHABLE', 'answered 503'],
      ['reset', 'FICUS_FLAGS_UNREACHABLE', 'cannot be reached'],
      ['web page', 'FICUS_FLAGS_UNREACHABLE', 'something answers that is not Unleash'],
    ] as const) {
      front.answer = answer
      await until(() => expect(flags.state().error?.code).toBe(code))
      expect(flags.state().error?.message).toContain(says)
      const asked = front.asked
      await until(() => expect(front.asked).toBeGreaterThan(asked + 3))
      expect(share(flags, flag)).toBe(1_000)
      front.answer = 'pass'
      await until(() => expect(flags.state().error).toBeNull())
    }
    expect(log.messages.filter(message => message.includes('cannot be read'))).toHaveLength(5)
    expect(log.messages.filter(message => message.includes('can be read again'))).toHaveLength(5)
  })

  it('invariant 12: goes on while the server is dead, and follows it once it is back', async () => {
    const flag = 'ficus.killed.read'
    await using database = await createDatabase('unleash')
    const first = await startTestUnleash({ databaseUrl: database.url })
    const own = { url: first.url, token: first.clientToken }
    await new UnleashFlagAdmin({ ...config(own), adminToken: first.adminToken }).set(new Map([[flag, 100]]))
    await using flags = await started(own, await mkdtemp(join(folder, 'state-')))
    await until(() => expect(share(flags, flag)).toBe(1_000))

    await first.kill('SIGKILL')
    await until(() => expect(flags.state().error?.code).toBe('FICUS_FLAGS_UNREACHABLE'))
    expect(share(flags, flag)).toBe(1_000)

    // The tokens that it first started with are in its database.
    await using _second = await startTestUnleash({ databaseUrl: database.url, port: Number(new URL(first.url).port) })
    await new UnleashFlagAdmin({ ...config(own), adminToken: first.adminToken }).set(new Map([[flag, 0]]))
    await until(() => expect(flags.state().error).toBeNull())
    await until(() => expect(share(flags, flag)).toBe(0))
  })
})

describe('starting and stopping', () => {
  it('invariant 12: starts while the server is down, with the dials that the last process knew', async () => {
    const flag = 'ficus.kept.read'
    await admin.set(new Map([[flag, 100]]))
    await using front = await startFront(unleash.url)
    const stateDir = await mkdtemp(join(folder, 'state-'))
    const before = await started({ url: front.url }, stateDir)
    await until(() => expect(share(before, flag)).toBe(1_000))
    await before.stop()

    front.answer = 'reset'
    await using flags = await started({ url: front.url }, stateDir)
    expect(share(flags, flag)).toBe(1_000)
    expect(flags.state().error?.code).toBe('FICUS_FLAGS_UNREACHABLE')
    const last = before.state().synchronizedAt?.getTime() ?? 0
    expect(flags.state().synchronizedAt?.getTime()).toBeLessThanOrEqual(last)
  })

  it('starts with every dial at 0 where nothing is known, in bounded time even if the server never answers', async () => {
    await using front = await startFront(unleash.url)
    front.answer = 'hang'
    const begun = performance.now()
    await using flags = await started({ url: front.url }, await mkdtemp(join(folder, 'state-')))
    expect(performance.now() - begun).toBeLessThan(7_000)
    expect(share(flags, 'ficus.kept.read')).toBe(0)
    expect(flags.state()).toEqual({
      provider: 'unleash',
      synchronizedAt: null,
      error: { code: 'FICUS_FLAGS_UNREACHABLE', message: expect.stringContaining('no answer within 5000 ms') },
    })
  })

  it('ends a start that is aborted', async () => {
    await using front = await startFront(unleash.url)
    front.answer = 'hang'
    const flags = openFlags(config({ url: front.url }), { directory: folder, stateDir: folder })
    const abort = new AbortController()
    const starting = flags.start(abort.signal)
    await until(() => expect(front.asked).toBeGreaterThan(0))
    abort.abort(new Error('asked to end'))
    await expect(starting).rejects.toThrow('asked to end')
    await flags.stop()
  })

  it('does not take the dials of another server, and gets over a backup that is broken', async () => {
    const flag = 'ficus.foreign.read'
    const stateDir = await mkdtemp(join(folder, 'state-'))
    await admin.set(new Map([[flag, 100]]))
    const before = await started({}, stateDir)
    await until(() => expect(share(before, flag)).toBe(1_000))
    await before.stop()

    await using foreign = await started({ url: 'http://127.0.0.1:1' }, stateDir)
    expect(share(foreign, flag)).toBe(0)
    expect(foreign.state().synchronizedAt).toBeNull()

    await writeFile(join(stateDir, 'flags-backup.json'), '{"url": "http://127.0.0')
    await using broken = await started({}, stateDir)
    expect(share(broken, flag)).toBe(1_000)
    expect(broken.state().error).toBeNull()
  })

  it('leaves nothing that keeps a process alive, even in the middle of a poll', async () => {
    await using front = await startFront(unleash.url)
    const stateDir = await mkdtemp(join(folder, 'state-'))
    const script = `
      const { openFlags } = await import(${JSON.stringify(new URL('./open-flags.ts', import.meta.url).href)})
      const flags = openFlags(${JSON.stringify(config({ url: front.url }))}, ${JSON.stringify({ directory: folder, stateDir })})
      await flags.start(new AbortController().signal)
      if (flags.state().error !== null) throw new Error(flags.state().error.message)
      process.once('message', async () => {
        await flags.stop()
        process.disconnect()
      })
      process.send('started')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const ended = once(child, 'exit')
    await once(child, 'message')
    front.answer = 'hang'
    const asked = front.asked
    await until(() => expect(front.asked).toBeGreaterThan(asked))
    const begun = performance.now()
    child.send('stop')
    expect(await ended).toEqual([0, null])
    expect(performance.now() - begun).toBeLessThan(1_500)
  })
})
