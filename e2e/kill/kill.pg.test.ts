import { mulberry32 } from '@ficus/deploy/testing/random'
import { expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'
import { startServers } from './servers.ts'
import { planRounds } from './victims.ts'

it('invariants 3, 4: whoever is killed at whichever point, nothing is lost and nothing applied twice', {
  timeout: 300_000,
}, async () => {
  await using resources = new AsyncDisposableStack()
  const servers = await startServers('postgres', resources, () => {})
  const random = mulberry32(3)
  const rounds = planRounds(7, servers.names, random)
  const report = await runCampaign({ servers, rounds, random })
  expect(report.rounds).toHaveLength(7)
  expect(report).toMatchObject({ equal: true, differing: [], indexed: true, seenTwice: 0 })
  expect(report.seen).toBeGreaterThan(1_000)
  expect(report.rows.target).toHaveLength(8)
  // The fifth is the one that is truncated.
  expect(Math.min(...report.rows.target.toSpliced(4, 1))).toBeGreaterThan(1_000)
  expect(report.truncated).toBeGreaterThan(0)
  expect(report.altered).toBeGreaterThan(0)

  // The same the other way, from the service to the monolith.
  const reverse = { servers: await servers.anew({}), direction: 'reverse' as const }
  const back = await runCampaign({ ...reverse, rounds: planRounds(3, servers.names, random, 'reverse'), random })
  expect(back).toMatchObject({ equal: true, differing: [], indexed: true, seenTwice: 0 })
  expect(back.seen).toBeGreaterThan(1_000)
})
