import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { withSession } from './session.ts'

it.each([
  ['off', 'on'],
  ['local', 'local'],
  ['remote_apply', 'remote_apply'],
])('invariant 4: what is committed is on disk, whatever the database is set to (%s)', async (set, used) => {
  await using database = await createDatabase('target')
  const show = async () => {
    const { rows } = await withSession({ url: database.url, name: 'the target' }, client =>
      client.query<{ synchronous_commit: string }>('SHOW synchronous_commit'),
    )
    return rows[0]?.synchronous_commit
  }
  await withSession({ url: database.url, name: 'the target' }, client =>
    client.query(`ALTER DATABASE ${database.name} SET synchronous_commit = ${set}`),
  )
  expect(await show()).toBe(used)
})
