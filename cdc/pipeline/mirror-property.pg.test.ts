import { createDatabase } from '@ficus/deploy/testing/postgres'
import fc from 'fast-check'
import { it } from 'vitest'
import { DOCUMENTS_SOURCE, DOCUMENTS_SYNC, DOCUMENTS_TARGET, expectDocuments } from '../testing/documents.ts'
import { createHarness } from '../testing/sync-harness.ts'

/** Few keys, so that rows meet: parents that come and go, children that move, values looked up that are not there. */
const id = fc.integer({ min: 1, max: 4 })
const region = fc.integer({ min: 0, max: 1 })
const line = fc.integer({ min: 1, max: 3 })
const text = fc.constantFrom(`'a'`, `'b'`, 'NULL', `repeat('x', 9000)`, `repeat('y', 9000)`)
const currency = fc.constantFrom(`'EUR'`, `'USD'`, 'NULL')
const state = fc.constantFrom(`'draft'`, `'open'`)

function sql(strings: TemplateStringsArray, ...parts: fc.Arbitrary<string | number>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts).map(values => String.raw({ raw: strings }, ...values))
}

const statement = fc.oneof(
  sql`INSERT INTO orders VALUES (${region}, ${id}, ${state}, ${currency}, ${text}) ON CONFLICT DO NOTHING`,
  sql`INSERT INTO order_lines VALUES (${region}, ${id}, ${line}, ${text}, ${line}, ${text}) ON CONFLICT DO NOTHING`,
  sql`INSERT INTO currencies VALUES (${currency}, ${text}) ON CONFLICT DO NOTHING`,
  sql`INSERT INTO groups VALUES (${id}, ${id}, 'new') ON CONFLICT DO NOTHING`,
  sql`UPDATE orders SET state = ${state} WHERE id = ${id}`,
  sql`UPDATE orders SET currency = ${currency}, body = ${text} WHERE region = ${region}`,
  sql`UPDATE orders SET id = ${id} WHERE region = ${region} AND id = ${id}`,
  sql`UPDATE order_lines SET sku = ${text} WHERE id = ${id}`,
  sql`UPDATE order_lines SET body = ${text} WHERE line = ${line}`,
  sql`UPDATE order_lines SET region = ${region}, id = ${id}, line = ${line} WHERE region = ${region} AND id = ${id} AND line = ${line}`,
  sql`UPDATE currencies SET name = ${text} WHERE code = ${currency}`,
  sql`UPDATE currencies SET code = ${currency} WHERE code = ${currency}`,
  sql`UPDATE groups SET parent = ${id} WHERE id = ${id}`,
  sql`DELETE FROM orders WHERE region = ${region} AND id = ${id}`,
  sql`DELETE FROM order_lines WHERE id = ${id} AND line = ${line}`,
  sql`DELETE FROM currencies WHERE code = ${currency}`,
  sql`DELETE FROM groups WHERE id = ${id}`,
  sql`TRUNCATE ${fc.constantFrom('orders', 'order_lines', 'currencies', 'groups')}`,
)
/** What violates a constraint is undone alone, so that the transaction goes on. */
const transaction = fc
  .array(statement, { minLength: 1, maxLength: 8 })
  .map(statements =>
    statements.map(each => `DO $do$ BEGIN ${each}; EXCEPTION WHEN integrity_constraint_violation THEN NULL; END $do$`),
  )
const history = fc.array(transaction, { minLength: 1, maxLength: 6 })

it('invariant 3: whatever changes, rows computed from several tables are what the source computes (property)', async () => {
  await using sync = await createHarness(createDatabase, DOCUMENTS_SOURCE, DOCUMENTS_TARGET, DOCUMENTS_SYNC)
  await sync.streaming({ batchRows: 20 })
  await fc.assert(
    fc.asyncProperty(history, async transactions => {
      for (const statements of transactions) await sync.onSource(`BEGIN; ${statements.join('; ')}; COMMIT`)
      await expectDocuments(sync)
    }),
    // What one history leaves behind is where the next begins, so a shrunk one would not be the same.
    { numRuns: 60, interruptAfterTimeLimit: 60_000, endOnFailure: true },
  )
}, 180_000)
