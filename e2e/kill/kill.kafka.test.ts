import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { mulberry32 } from '@ficus/deploy/testing/random'
import { expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'
import { startServers } from './servers.ts'
import type { Round } from './victims.ts'

/**
 * A wider type restarts the connector, and Debezium may pass over changes of a transaction that it is restarted in (docs/types.md):
 * sync then stops, rightly. The long form takes that risk.
 */
const widens = false
const KAFKA: Round = { during: 'stream', victim: { kind: 'server', server: 'kafka', afterMs: 200 } }
const SYNC: Round = { during: 'stream', victim: { kind: 'sync at point', point: 'apply.committing', pass: 3 } }
/** Those that only this engine has; the rest is killed by `npm run test:kill -- --engine debezium`. */
const ROUNDS: readonly Round[] = [
  { during: 'add', victim: { kind: 'server', server: 'kafka', afterMs: 200 } },
  SYNC,
  { during: 'stream', victim: { kind: 'server', server: 'connect', afterMs: 300 } },
]

// Kafka and Kafka Connect of its own: the others' must not die.
it.skipIf(kafkaStack() === null)(
  'invariants 3, 4: Kafka and Kafka Connect are killed, under either layout of topics, and sync, there and back: nothing is lost and nothing applied twice',
  { timeout: 480_000 },
  async () => {
    await using resources = new AsyncDisposableStack()
    const servers = await startServers('debezium', resources, () => {})
    const report = await runCampaign({ servers, rounds: ROUNDS, random: mulberry32(3), widens })
    expect(report).toMatchObject({ equal: true, differing: [], seenTwice: 0 })
    expect(report.seen).toBeGreaterThan(500)

    // Now from the service to the monolith, with transactions in pieces, which are put together again.
    const partitioned = await servers.anew({ layout: 'tables', partitions: 3 })
    const reverse = { servers: partitioned, direction: 'reverse' as const, rounds: [KAFKA, SYNC] }
    const back = await runCampaign({ ...reverse, random: mulberry32(4), widens })
    expect(back).toMatchObject({ equal: true, differing: [], seenTwice: 0 })
    expect(back.seen).toBeGreaterThan(100)
  },
)
