import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { mulberry32 } from '@ficus/deploy/testing/random'
import { expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'
import { startServers } from './servers.ts'
import type { Round } from './victims.ts'

/** Those that only this engine has; the rest is killed by `npm run test:kill -- --engine debezium`. */
const ROUNDS: readonly Round[] = [
  { during: 'stream', victim: { kind: 'server', server: 'kafka', afterMs: 200 } },
  { during: 'stream', victim: { kind: 'sync at point', point: 'apply.committing', pass: 3 } },
  { during: 'stream', victim: { kind: 'server', server: 'connect', afterMs: 300 } },
]

// Kafka and Kafka Connect of its own: the others' must not die.
it.skipIf(kafkaStack() === null)(
  'invariants 3, 4: Kafka and Kafka Connect are killed, nothing is lost and nothing applied twice',
  { timeout: 480_000 },
  async () => {
    await using resources = new AsyncDisposableStack()
    const servers = await startServers('debezium', resources, () => {})
    const report = await runCampaign({ servers, rounds: ROUNDS, random: mulberry32(3) })
    expect(report).toMatchObject({ equal: true, seenTwice: 0 })
    expect(report.seen).toBeGreaterThan(500)
  },
)
