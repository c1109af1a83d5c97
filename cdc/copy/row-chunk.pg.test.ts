import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import type { Relation } from '../change-source/change-source.ts'
import { withSession } from '../database/session.ts'
import { flowsOf } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import { readChunk } from './row-chunk.ts'

const MEGABYTE = 1024 * 1024

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

it('fetches a few megabytes at most, also where values of 1 MB follow 50,000 tiny ones', async () => {
  await using database = await createDatabase('source')
  const [flow] = flowsOf(
    parseSync({
      tables: [{ source: 'notes', target: 'items', key: { id: 'id' }, forward: { body: 'body', extra: 'extra' } }],
    }),
    'forward',
  )
  if (flow === undefined) throw new TypeError('there is a flow')
  await withSession({ url: database.url, name: 'the source' }, async client => {
    // What is stored is much smaller than the value, in the first ones by far.
    await client.query(`
      CREATE TABLE notes (id int PRIMARY KEY, body text, extra jsonb);
      INSERT INTO notes SELECT n, 'tiny' FROM generate_series(1, 50500) n;
      INSERT INTO notes SELECT n, repeat('x', ${MEGABYTE}) FROM generate_series(50501, 50510) n;
      INSERT INTO notes SELECT n, NULL, to_jsonb(repeat('y', ${MEGABYTE})) FROM generate_series(50511, 50520) n;
      INSERT INTO notes VALUES (50521, repeat('z', 12 * ${MEGABYTE})), (50522, 'last')`)
    const fetched: number[] = []
    const query = client.query.bind(client)
    const watched = Object.assign(Object.create(client), {
      query: async (text: { text: string }, ...rest: unknown[]) => {
        const result = await Reflect.apply(query, client, [text, ...rest])
        if (text.text?.startsWith('FETCH')) fetched.push(JSON.stringify(result.rows).length)
        return result
      },
    })
    const keys: string[] = []
    let after: readonly string[] | null = null
    for (let whole = false; !whole; ) {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      const chunk = await readChunk(watched, flow, [flow], after, 10_000, (relation: Relation) => relation)
      await client.query('ROLLBACK')
      expect(chunk.batch.data.length).toBeLessThan(12.1 * MEGABYTE)
      keys.push(`${chunk.last} after ${chunk.batch.changes.length}`)
      after = chunk.last
      whole = chunk.whole
    }
    expect(keys.slice(0, 5)).toEqual([1, 2, 3, 4, 5].map(n => `${n * 10_000} after 10000`))
    expect(keys.at(-1)).toMatch(/^50522 after/)
    const [largest, second] = fetched.toSorted((a, b) => b - a)
    // One row alone is larger than that.
    expect(largest).toBeLessThan(12.1 * MEGABYTE)
    expect(second).toBeLessThan(3 * MEGABYTE)
  })
})
