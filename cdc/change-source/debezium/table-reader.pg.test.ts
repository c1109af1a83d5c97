import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { withSession } from '../../database/session.ts'
import { Placeholder } from './placeholder.ts'
import { readTable, TableReader } from './table-reader.ts'

it('tells how many digits a numeric is limited to, which its events do not', async () => {
  await using database = await createDatabase('source')
  const { columns } = await withSession({ url: database.url, name: 'the source' }, async client => {
    await client.query(
      'CREATE TABLE prices (id int PRIMARY KEY, exact numeric(10,4), steps numeric(5,-2), any_digits numeric)',
    )
    const table = await readTable(client, { schema: 'public', table: 'prices' }, names => new Set(names))
    return new TableReader(table, new Set(table.columns.map(({ name }) => name)), new Placeholder('unavailable'))
      .relation
  })
  expect(columns.map(({ name, type, preciseType }) => [name, type, preciseType])).toEqual([
    ['id', 'integer', undefined],
    ['exact', 'numeric', 'numeric(10,4)'],
    ['steps', 'numeric', 'numeric(5,-2)'],
    ['any_digits', 'numeric', undefined],
  ])
})
