import { expect, it, vi } from 'vitest'
import { createDatabase, withWrongPassword } from '../testing/postgres.ts'
import { startTestUnleash } from '../testing/unleash.ts'
import { startUnleash } from './unleash.ts'

// Each test starts servers that take some seconds on an idle machine, and many on a busy one.
vi.setConfig({ testTimeout: 180_000 })

const json = { 'content-type': 'application/json' }

it('answers with its web page, its log-in, both tokens, and without telemetry', async () => {
  await using unleash = await startTestUnleash()

  const page = await fetch(unleash.url)
  expect(page.headers.get('content-type')).toContain('text/html')
  expect(await page.text()).toContain('<div id="app">')

  const login = await fetch(`${unleash.url}/auth/simple/login`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ username: 'admin', password: 'unleash4all' }),
  })
  expect(login.status).toBe(200)

  const create = await fetch(`${unleash.url}/api/admin/projects/default/features`, {
    method: 'POST',
    headers: { ...json, authorization: unleash.adminToken },
    body: JSON.stringify({ name: 'some.flag', type: 'operational' }),
  })
  expect(create.status).toBe(201)

  const features = await fetch(`${unleash.url}/api/client/features`, {
    headers: { authorization: unleash.clientToken },
  })
  expect(await features.json()).toMatchObject({ features: [{ name: 'some.flag', enabled: false }] })

  const ui = await fetch(`${unleash.url}/api/admin/ui-config`, { headers: { authorization: unleash.adminToken } })
  expect(await ui.json()).toMatchObject({ version: '7.5.1', versionInfo: { isLatest: true, latest: {} } })
  const telemetry = await fetch(`${unleash.url}/api/admin/telemetry/settings`, {
    headers: { authorization: unleash.adminToken },
  })
  expect(await telemetry.json()).toMatchObject({
    versionInfoCollectionEnabled: false,
    featureInfoCollectionEnabled: false,
  })
})

it('goes on with its flags on the same database and port, and leaves no process', async () => {
  await using database = await createDatabase('unleash')
  const first = await startTestUnleash({ databaseUrl: database.url })
  await fetch(`${first.url}/api/admin/projects/default/features`, {
    method: 'POST',
    headers: { ...json, authorization: first.adminToken },
    body: JSON.stringify({ name: 'kept.flag' }),
  })
  await first.stop()
  expect(() => process.kill(first.pid, 0)).toThrow('ESRCH')

  await using second = await startTestUnleash({ databaseUrl: database.url, port: Number(new URL(first.url).port) })
  const flag = await fetch(`${second.url}/api/admin/projects/default/features/kept.flag`, {
    headers: { authorization: first.adminToken },
  })
  expect(flag.status).toBe(200)
})

it('says why it does not start', async () => {
  await using running = await startTestUnleash()
  const port = Number(new URL(running.url).port)
  await using database = await createDatabase('unleash')
  const tokens = { adminToken: '*:*.a', backendToken: '*:development.b' }
  await expect(startUnleash({ databaseUrl: database.url, port, ...tokens })).rejects.toMatchObject({
    code: 'FICUS_PORT_TAKEN',
    message: expect.stringContaining(`127.0.0.1:${port}`),
  })
  const databaseUrl = withWrongPassword(database.url)
  await expect(startUnleash({ databaseUrl, port: port + 1, ...tokens })).rejects.toMatchObject({
    code: 'FICUS_FLAGS_UNREACHABLE',
    message: expect.stringContaining('password authentication failed'),
  })
})
