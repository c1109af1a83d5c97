import { resourceUsage } from 'node:process'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { waitUntilCaughtUp } from '../lag/lag.ts'
import { CAPABILITY, createHarness, reaches } from '../testing/sync-harness.ts'

/** 100 MB as text; a tenth of it is escaped in COPY's text form. */
const LARGE = `repeat(E'0123456\\t\\\\\\n', 10 * 1024 * 1024)`
/** What the process may hold at most, kB: some copies of one value, beside Node and Vitest. */
const MOST_MEMORY = 1_800 * 1024

it.each([
  ['binary form', 'int'],
  ['text form', 'mood[]'],
])('carries texts of 100 MB in %s in bounded memory', { timeout: 400_000 }, async (_, type) => {
  const sql = `CREATE TYPE mood AS ENUM ('good');
    CREATE TABLE pages (id int PRIMARY KEY, n int, extra ${type}, body text); ALTER TABLE pages ALTER body SET STORAGE EXTERNAL`
  const columns = { n: 'n', extra: 'extra', body: 'body' }
  await using sync = await createHarness(createDatabase, sql, sql, {
    tables: [{ source: 'pages', target: 'pages', key: { id: 'id' }, forward: columns }],
  })
  const rows = 'SELECT id, n, length(body) AS length, md5(body) AS hash FROM pages ORDER BY id'
  await sync.onSource(`INSERT INTO pages VALUES (1, 0, NULL, ${LARGE})`)
  const pipeline = sync.pipeline()
  await pipeline.start()
  await reaches(pipeline, 'streaming', 120_000)
  await sync.onSource(`INSERT INTO pages VALUES (2, 0, NULL, ${LARGE} || 'two')`)
  await sync.onSource('UPDATE pages SET n = 1')
  await sync.onSource(`UPDATE pages SET body = body || 'more' WHERE id = 1`)
  await sync.onSource('UPDATE pages SET id = 3 WHERE id = 2')
  const { source, target } = sync
  await waitUntilCaughtUp({ source, target, capability: CAPABILITY, direction: 'forward', timeoutMs: 300_000 })
  const expected = await sync.onSource(rows)
  expect(expected).toMatchObject([
    { id: 1, n: 1, length: 104_857_604 },
    { id: 3, n: 1, length: 104_857_603 },
  ])
  expect(await sync.onTarget(rows)).toEqual(expected)
  expect(resourceUsage().maxRSS).toBeLessThan(MOST_MEMORY)
})
