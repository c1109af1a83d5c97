import { createDatabase } from '@ficus/deploy/testing/postgres'
import { describe, expect, it } from 'vitest'
import { openSides } from '../testing/mapping-sides.ts'
import type { MappingReport } from './check-mapping.ts'
import type { SyncInput, TableMapping } from './define-sync.ts'

/** On both sides, so that an expression which looks into it runs. */
const NOTES = 'CREATE TABLE notes (id int PRIMARY KEY, note text);'
const SOURCE = `${NOTES} CREATE TABLE products (id int PRIMARY KEY, sku text NOT NULL, name text, price numeric(12,2));`
const TARGET = `
  ${NOTES}
  CREATE TABLE items (item_id bigint PRIMARY KEY, title text NOT NULL);
  CREATE TABLE words (item_id bigint, position int, word text NOT NULL, PRIMARY KEY (item_id, position));
`
const EACH: TableMapping = {
  source: 'products',
  target: 'words',
  key: { id: 'item_id' },
  each: {
    rows: `regexp_split_to_table(products.name, ' ') WITH ORDINALITY AS part(word, no)`,
    key: { position: 'part.no' },
  },
  forward: { word: 'part.word' },
}

/** @param more SQL for both sides. */
async function check(sync: SyncInput, more = ''): Promise<MappingReport> {
  await using sides = await openSides(createDatabase, SOURCE + more, TARGET + more)
  return await sides.check(sync)
}

describe('a value that does not follow from its row alone is refused', () => {
  const withTitle = (title: string, more: Partial<TableMapping> = {}): SyncInput => ({
    tables: [{ source: 'products', target: 'items', key: { id: 'item_id' }, forward: { title }, ...more }],
  })
  const cases: readonly [string, SyncInput, string, RegExp][] = [
    ['random()', withTitle('name || random()'), 'tables[0].forward.title', /calls random\(\), whose answer/],
    [
      'an operator’s argument',
      withTitle(`coalesce(name, gen_random_uuid()::text)`),
      'tables[0].forward.title',
      /gen_random_uuid/,
    ],
    ['now()', withTitle('name || now()'), 'tables[0].forward.title', /calls now\(\)/],
    ['a literal that is read as now', withTitle(`name || timestamp 'Now'`), 'tables[0].forward.title', /calls 'Now'/],
    ['CURRENT_DATE', withTitle('name || CURRENT_DATE'), 'tables[0].forward.title', /CURRENT_DATE/],
    [
      'an age as of today',
      withTitle(`name || age(timestamp '2020-01-01')`),
      'tables[0].forward.title',
      /calls age\(timestamp/,
    ],
    ['in a filter', withTitle('name', { where: 'random() > 0.5' }), 'tables[0].where', /calls random\(\)/],
    [
      'a table of the target',
      withTitle('(SELECT max(note) FROM notes) || name'),
      'tables[0].forward.title',
      /looks into public\.notes/,
    ],
    [
      'in each',
      {
        tables: [
          {
            ...EACH,
            each: {
              key: { position: 'part.no' },
              rows: `regexp_split_to_table(name || random(), ' ') WITH ORDINALITY AS part(word, no)`,
            },
          },
        ],
      },
      'tables[0].each.rows',
      /calls random\(\)/,
    ],
  ]
  it.each(cases)('%s', async (_, sync, path, problem) => {
    const { problems } = await check(sync)
    expect(problems).toMatchObject([{ path, problem: expect.stringMatching(problem), remedy: expect.any(String) }])
  })

  it('a function of one’s own is believed, once it says that it answers alike', async () => {
    const twice = (label: string) =>
      `CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql ${label} AS 'SELECT $1 || $1'`
    const checked = (label: string) => check(withTitle('twice(coalesce(name, sku))'), twice(label))
    const { problems } = await checked('')
    expect(problems).toMatchObject([
      { problem: expect.stringContaining('twice(text)'), remedy: expect.stringContaining('IMMUTABLE') },
    ])
    expect((await checked('STABLE')).problems).toEqual([])
    expect((await check(withTitle(`to_char(price, 'FM990.00') || to_jsonb(name)`))).problems).toEqual([])
    expect((await check(withTitle(`coalesce(name, 'now') || date '2020-01-01'`))).problems).toEqual([])
  })
})
