import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { runEcho } from '../testing/echo.ts'

it('invariant 5: nothing comes back, however often ownership changes hands', { timeout: 120_000 }, async () => {
  await using monolith = await createDatabase('monolith')
  await using service = await createDatabase('service')
  const report = await runEcho({
    monolith: { url: monolith.url, name: 'the monolith’s database' },
    service: { url: service.url, name: 'the service’s database' },
    rows: 3_000,
    turns: 3,
    rowsPerTransaction: 250,
  })
  // 3,000 rows, 4 more changes for every ten of them, and a TRUNCATE.
  const written = 3_000 + 4 * 300 + 1
  for (const side of [report.monolith, report.service]) {
    expect(side).toMatchObject({ written, applied: written })
    expect(side.seen).toBe(side.logged)
    expect(side.logged - side.loggedOfSync).toBe(written)
  }
  expect(report.equal).toBe(true)
})
