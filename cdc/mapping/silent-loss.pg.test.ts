import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { withSession } from '../database/session.ts'
import { flowsOf } from './flow.ts'
import { parseSync } from './parse-sync.ts'
import { findSilentLosses } from './silent-loss.ts'

/** Expression over the source's row, the target column's type. */
const LOST: readonly (readonly [expression: string, type: string])[] = [
  ['1.5', 'int'],
  ['1.5::float8', 'bigint'],
  ['1.5::float4', 'smallint'],
  ['1.5', 'float8'],
  ['1.5::float8', 'real'],
  ['1.555', 'money'],
  ['ARRAY[1.5]', 'int[]'],
  ['1.55::numeric(9,2)', 'numeric(9,1)'],
  ['amount', 'numeric(9,1)'],
  ['whole', 'numeric(9,-3)'],
  ['sum_of', 'numeric(12,2)'],
  ['rows.sum_of::numeric', 'numeric(12,2)'],
  ['sums', 'numeric(12,2)[]'],
  ['domain_of', 'numeric(12,1)'],
  ['1.5', 'count'],
  [`'2024-05-06 07:08'::timestamp`, 'date'],
  [`'2024-05-06 07:08Z'::timestamptz`, 'date'],
  [`'2024-05-06 07:08Z'::timestamptz`, 'timestamp'],
  [`'2024-05-06 07:08'::timestamp`, 'time'],
  [`'07:08+02'::timetz`, 'time'],
]
const KEPT: typeof LOST = [
  ['1.5::int', 'int'],
  ['round(1.5)::int', 'int'],
  ['1::bigint', 'int'],
  ['1', 'numeric'],
  ['1', 'float8'],
  ['1::float4', 'float8'],
  ['1.5::float8', 'numeric'],
  ['amount', 'numeric'],
  ['amount', 'numeric(12,4)'],
  ['sum_of', 'numeric'],
  ['sum_of::numeric(12,2)', 'numeric(12,2)'],
  ['sum_of / 100.0', 'numeric(12,2)'],
  ['domain_of', 'numeric(12,2)'],
  ['7', 'count'],
  [`'2024-05-06'::date`, 'timestamptz'],
  [`'2024-05-06 07:08'::timestamp`, 'timestamptz'],
  [`'x'`, 'varchar(3)'],
  [`'open'::state`, 'text'],
]

it('finds every cast on assignment that loses something without an error, and no other', async () => {
  await using database = await createDatabase('both')
  const pairs = [...LOST, ...KEPT].map(([expression, type], index) => ({ name: `c${index}`, expression, type }))
  const forward = Object.fromEntries(pairs.map(({ name, expression }) => [name, expression]))
  const sync = parseSync({ tables: [{ source: 'rows', target: 'copies', key: { id: 'id' }, forward }] })
  const [flow] = flowsOf(sync, 'forward')
  if (flow === undefined) throw new TypeError('there is a flow')
  const losses = await withSession({ url: database.url, name: 'the database' }, async client => {
    await client.query(`
    CREATE TYPE state AS ENUM ('open');
    CREATE DOMAIN count AS int;
    CREATE DOMAIN cents AS numeric(9,2);
    CREATE DOMAIN positive AS cents CHECK (VALUE > 0);
    CREATE TABLE rows (
      id int PRIMARY KEY, amount numeric(9,2), whole numeric(9,0), sum_of numeric, sums numeric[], domain_of positive
    );
    CREATE TABLE copies (id int PRIMARY KEY, ${pairs.map(({ name, type }) => `${name} ${type}`).join(', ')})`)
    return findSilentLosses(client, client, flow, 'rows')
  })
  const lost = new Set(losses.map(({ mapped }) => mapped.to))
  expect(pairs.filter(({ name }) => lost.has(name)).map(({ expression, type }) => [expression, type])).toEqual(LOST)
  expect(losses[0]).toMatchObject({ from: 'numeric', to: 'integer' })
})
