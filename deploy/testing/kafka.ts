import { inject } from 'vitest'

/** Where a test finds Kafka and Kafka Connect with Debezium's PostgreSQL connector. */
export interface KafkaStack {
  /** What Kafka's clients connect to: `127.0.0.1:41233`. */
  readonly bootstrapServers: string
  /** Kafka Connect's REST interface: `http://127.0.0.1:41234`. */
  readonly connectUrl: string
}

/**
 * The stack that all `*.kafka.test.ts` share, or null on a laptop without Java or Maven:
 *
 *     const stack = kafkaStack()
 *     describe.skipIf(stack === null)('…', () => …)
 *
 * Tests choose connector, topic and group names of their own, since they share it.
 */
export function kafkaStack(): KafkaStack | null {
  return inject('kafkaStack')
}
