import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { Relation } from '../change-source/change-source.ts'
import { withSession } from '../database/session.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { readChunk } from './row-chunk.ts'

it('invariant 3: chunk after chunk, each row comes once, in the order of its key and not of its text', async () => {
  await using database = await createDatabase('source')
  const [flow] = flowsOf(
    parseSync({ tables: [{ source: 'a', target: 'b', key: { x: 'x', y: 'y' }, forward: { z: 'z' } }] }),
    'forward',
  )
  if (flow === undefined) throw new TypeError('there is a flow')
  await withSession({ url: database.url, name: 'the source' }, async client => {
    await client.query(`
      CREATE TABLE a (x int, y numeric, z text, PRIMARY KEY (x, y));
      INSERT INTO a SELECT n / 10, n % 10 - 4.5, 'z' FROM generate_series(-60, 120) n`)
    const lasts: (readonly string[])[] = []
    let after: readonly string[] | null = null
    for (let whole = false; !whole; ) {
      await client.query('BEGIN')
      const chunk = await readChunk(client, flow, [flow], after, 7, (relation: Relation) => relation)
      await client.query('ROLLBACK')
      if (chunk.last !== null) lasts.push(chunk.last)
      after = chunk.last
      whole = chunk.whole
    }
    const { rows } = await client.query<{ key: string[] }>(
      'SELECT ARRAY[x::text, y::text] AS key FROM a ORDER BY a.x, a.y',
    )
    expect(rows).toHaveLength(181)
    expect(lasts).toEqual(rows.filter((_, index) => index % 7 === 6 || index === 180).map(({ key }) => key))
  })
})
