import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it, vi } from 'vitest'
import { createProgressTable } from '../apply/progress.ts'
import { openSession } from '../database/session.ts'
import { readNotes } from './flow-notes.ts'

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
