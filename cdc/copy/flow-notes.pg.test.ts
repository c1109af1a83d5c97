import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { createProgressTable } from '../apply/progress.ts'
import { openSession } from '../database/session.ts'
import { createNotes, readNotes } from './flow-notes.ts'

it('makes the table of notes once, whoever else makes it at that moment', async () => {
  await using database = await createDatabase('notes')
  const target = { url: database.url, name: 'the service’s database' }
  const [first, second, watcher] = await Promise.all([openSession(target), openSession(target), openSession(target)])
  try {
    await createProgressTable(first, target)
    await first.query('BEGIN')
    await readNotes(first, { capability: 'catalog', direction: 'forward' })
    const other = readNotes(second, { capability: 'orders', direction: 'forward' })
    other.catch(() => {})
    await vi.waitFor(async () => {
      const { rows } = await watcher.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      )
      expect(rows).toHaveLength(1)
    }, 20_000)
    await first.query('COMMIT')
    expect(await other).toEqual(new Map())
  } finally {
    await Promise.all([first.end(), second.end(), watcher.end()])
  }
})

it('takes what an older Ficus noted of a table for nothing, where that was less', async () => {
  await using database = await createDatabase('notes')
  const target = { url: database.url, name: 'the service’s database' }
  const client = await openSession(target)
  try {
    await createProgressTable(client, target)
    await createNotes(client)
    await client.query(
      `INSERT INTO ficus.flow (capability, direction, target, source, source_oid, key, mapping, reading, storage)
       VALUES ('catalog', 'forward', 'public.notes', 'public.notes', 1, 'id -> id', 'f', false, '{"files": "a", "altered": "7"}')`,
    )
    const notes = await readNotes(client, { capability: 'catalog', direction: 'forward' })
    expect(notes.get('public.notes')).toMatchObject({ storage: null, adopted: false })
  } finally {
    await client.end()
  }
})
