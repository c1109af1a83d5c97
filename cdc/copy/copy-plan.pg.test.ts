import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { withSession } from '../database/session.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { copyTasks } from './copy-plan.ts'
import { shapeFlows } from './first-copy.ts'

it('invariant 3: cuts a partitioned table into ranges that have each row of each partition once', async () => {
  await using database = await createDatabase('ranges')
  await withSession({ url: database.url, name: 'both' }, async client => {
    // A row fills a block.
    await client.query(`
      CREATE TABLE orders (id int PRIMARY KEY, pad text) PARTITION BY RANGE (id);
      ALTER TABLE orders ALTER pad SET STORAGE PLAIN;
      CREATE TABLE orders_a PARTITION OF orders FOR VALUES FROM (0) TO (100);
      CREATE TABLE orders_b PARTITION OF orders FOR VALUES FROM (100) TO (9000) PARTITION BY RANGE (id);
      CREATE TABLE orders_c PARTITION OF orders_b FOR VALUES FROM (100) TO (9000);
      INSERT INTO orders SELECT n, repeat('x', 5000) FROM generate_series(1, 1500) n;
      CREATE TABLE copied (id int PRIMARY KEY)`)
    const sync = parseSync({ tables: [{ source: 'orders', target: 'copied', key: { id: 'id' }, forward: {} }] })
    const [shaped] = await shapeFlows(client, client, flowsOf(sync, 'forward'))
    if (shaped === undefined) throw new TypeError('there is a flow')
    const tasks = copyTasks(shaped.flow, shaped.source, shaped.target, false)
    const ids: number[][] = []
    for (const { out } of tasks) {
      const { rows } = await client.query<{ id: number }>(/^COPY \((.*)\) TO STDOUT/s.exec(out)?.[1] ?? '')
      ids.push(rows.map(({ id }) => id))
    }
    expect(ids.map(range => range.length)).toEqual([99 + 1_024, 1_401 - 1_024])
    expect(new Set(ids.flat()).size).toBe(1_500)
  })
})
