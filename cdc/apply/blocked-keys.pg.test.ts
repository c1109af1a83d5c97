import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { encodeTextTuple } from '../change-source/tuple.ts'
import { withSession } from '../database/session.ts'
import { BlockedKeys } from './blocked-keys.ts'
import { keyText } from './describe-change.ts'
import { joinChanges } from './raw-change.ts'

it('knows a key from its text whatever the order of its columns, which JavaScript changes where names are numbers', async () => {
  await using database = await createDatabase('target')
  const columns = ['2', '1'].map(name => ({ name, type: 'int4', identity: true }))
  const relation = { table: { schema: 'public', table: 'cells' }, format: 'text', columns } as const
  const insert = (two: string, one: string) =>
    ({ kind: 'insert', relation, oldTuple: null, newTuple: encodeTextTuple([two, one]) }) as const
  const { data, changes } = joinChanges([insert('20', '10'), insert('10', '20')])

  const keys = new BlockedKeys()
  keys.reset([{ table: 'public.cells', keys: [keyText({ '2': '20', '1': '10' })] }])
  await withSession({ url: database.url, name: 'the target' }, async client => {
    await client.query('BEGIN')
    await keys.learn(client, changes[0]?.relation ?? relation, [[0, 1]])
    await client.query('COMMIT')
  })
  expect(changes.map(change => keys.blocks(data, change))).toEqual([true, false])
})
