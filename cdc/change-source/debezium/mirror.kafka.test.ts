import { kafkaStack } from '@ficus/deploy/testing/kafka'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, it } from 'vitest'
import { DOCUMENTS_SOURCE, DOCUMENTS_SYNC, DOCUMENTS_TARGET, expectDocuments } from '../../testing/documents.ts'
import { createKafkaHarness } from './testing/kafka-harness.ts'

const stack = kafkaStack()

describe.skipIf(stack === null)('the debezium engine', () => {
  it('invariant 3: carries the tables that a mapping reads, and the rows that are computed from them follow', async () => {
    await using sync = await createKafkaHarness(
      stack,
      createDatabase,
      DOCUMENTS_SOURCE,
      DOCUMENTS_TARGET,
      DOCUMENTS_SYNC,
      {},
    )
    await sync.onSource(`
      INSERT INTO currencies VALUES ('EUR', 'Euro'), ('USD', 'Dollar');
      INSERT INTO orders SELECT 1, n, 'open', 'EUR', repeat('x', 9000) FROM generate_series(1, 10) n;
      INSERT INTO order_lines SELECT 1, n, l, 'sku', l, repeat('y', 9000) FROM generate_series(1, 10) n, generate_series(1, 3) l`)
    await sync.streaming()
    await expectDocuments(sync)
    await sync.onSource(`BEGIN;
      INSERT INTO order_lines VALUES (1, 100, 1, 'early', 9, 'x'); INSERT INTO orders VALUES (1, 100, 'open', 'USD', 'x'); COMMIT`)
    await sync.onSource(`UPDATE order_lines SET id = id + 1, line = 9 WHERE line = 1 AND id < 5`)
    await sync.onSource(`UPDATE order_lines SET sku = 'other'; UPDATE orders SET currency = 'USD' WHERE id = 3`)
    await sync.onSource(`UPDATE currencies SET name = 'renamed'; DELETE FROM orders WHERE id = 7`)
    await sync.onSource(`UPDATE orders SET state = 'draft' WHERE id = 8; UPDATE groups SET name = name || '!'`)
    await expectDocuments(sync)
    await sync.onSource('TRUNCATE order_lines')
    await expectDocuments(sync)
  })
})
