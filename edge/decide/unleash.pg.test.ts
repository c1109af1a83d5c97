import { mkdtemp, rm } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { flagNames, inRollout } from '@ficus/core/flags/flags'
import { openFlagAdmin } from '@ficus/core/flags/open-flag-admin'
import { openFlags } from '@ficus/core/flags/open-flags'
import { measureReactions } from '@ficus/core/flags/testing/reactions'
import { startTestUnleash } from '@ficus/deploy/testing/unleash'
import { expect, it } from 'vitest'
import { startEdge } from '../testing/edge.ts'
import { startNamed } from '../testing/upstream.ts'
import { send } from '../testing/wire.ts'

/** Milliseconds between two questions of the edge. */
const POLL = 200
/** Unleash looks once a second whether its flags have changed, and tells nobody of a change before. */
const UNLEASH_LOOKS = 1_000

const USERS = Array.from({ length: 60 }, (_, i) => `user-${i}`)
const { read } = flagNames('catalog')

it('moves the dialled users, and no others, within the poll of a dial in Unleash', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ficus-unleash-'))
  await using unleash = await startTestUnleash()
  const config = {
    provider: 'unleash' as const,
    url: unleash.url,
    token: unleash.clientToken,
    adminToken: unleash.adminToken,
    project: 'default',
    environment: 'development',
    pollInterval: POLL,
  }
  const admin = openFlagAdmin(config, { directory: folder })
  await admin.set(new Map([[read, 0]]))
  const flags = openFlags(config, { directory: folder, stateDir: folder })
  await flags.start(new AbortController().signal)
  await using upstream = await startNamed('any')
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })
  await using edge = await startEdge({ monolith: upstream.url, flags, edge: { identity: [{ header: 'x-user' }] } })
  const isOnService = async (user: string) => {
    const answer = await send(`${edge.url}/items/1`, { headers: { 'x-user': user }, agent })
    return answer.headers['x-ficus-side'] === 'service'
  }
  /** Whether each user is where the dial puts them. */
  const moved = async (percent: number) => {
    const sides = await Promise.all(USERS.map(isOnService))
    return USERS.every((user, i) => sides[i] === inRollout(read, user, percent))
  }

  try {
    expect(await moved(0)).toBe(true)
    const { median, stalled } = await measureReactions(
      [25, 100, 50, 0, 25],
      percent => admin.set(new Map([[read, percent]])),
      moved,
    )
    // The allowance is for the questions themselves: 60 users, the poll, and Unleash's own answer.
    expect(median).toBeLessThan(POLL + UNLEASH_LOOKS + 500 + stalled)
  } finally {
    agent.destroy()
    await flags.stop()
    await rm(folder, { recursive: true })
  }
})
