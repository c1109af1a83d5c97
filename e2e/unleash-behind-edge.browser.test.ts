import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@ficus/deploy/native/free-port'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { startTestUnleash } from '@ficus/deploy/testing/unleash'
import { type Browser, chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startProcess } from './testing/process.ts'

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
const missing = !existsSync(CHROMIUM)
if (missing && process.env.CI === 'true') throw new Error(`CI needs Chromium at ${CHROMIUM}: apt-get install chromium`)
if (missing) console.error(`\nSKIPPED: browser tests need Chromium at ${CHROMIUM} (or CHROMIUM_PATH)\n`)

describe.skipIf(missing)('the edge in front of a real Unleash server, as if that were the monolith', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync', '--no-first-run'],
    })
  })
  afterAll(() => browser?.close())

  it('lets a person log in and toggle a flag', async () => {
    await using unleash = await startTestUnleash()
    await using edge = await startEdgeBefore(unleash.url)
    const admin = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
      const response = await fetch(`${unleash.url}/api/admin/projects/default/features${path}`, {
        method,
        headers: { authorization: unleash.adminToken, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return JSON.parse(await response.text())
    }
    await admin('POST', '', { name: 'new-checkout', type: 'release' })
    await admin('POST', '/new-checkout/environments/development/strategies', { name: 'default' })
    const enabled = async () => {
      const flag = await admin<{ environments: { name: string; enabled: boolean }[] }>('GET', '/new-checkout')
      return flag.environments.find(({ name }) => name === 'development')?.enabled
    }
    expect(await enabled()).toBe(false)

    const page = await browser.newPage()
    await page.goto(edge.url)
    await page.getByLabel('Username').fill('admin')
    await page.getByLabel('Password').fill('unleash4all')
    await page.getByRole('button', { name: /sign in/i }).click()
    await page.getByRole('button', { name: /get started/i }).click()
    await page.goto(`${edge.url}/projects/default/features/new-checkout`)
    await page.getByRole('checkbox', { name: 'development' }).click()

    await expect.poll(enabled, { timeout: 10_000 }).toBe(true)
    expect(new URL(page.url()).origin).toBe(edge.url)
    await page.close()
  })
})

/** An edge as its own process, with `monolith` behind it and one capability that the test never asks for. */
async function startEdgeBefore(monolith: string) {
  const database = await createDatabase('ledger')
  const directory = await mkdtemp(join(tmpdir(), 'ficus-edge-'))
  const [port, management] = [await freePort(), await freePort()]
  await writeFile(join(directory, 'flags.json'), '{}')
  await writeFile(
    join(directory, 'ficus.config.ts'),
    `export default ${JSON.stringify({
      name: 'flags',
      monolith: { url: monolith, database: { url: database.url } },
      ledger: { url: database.url },
      flags: { provider: 'file', path: 'flags.json' },
      edge: { listen: { port }, management: { port: management }, cookieSecret: 'a secret of sixteen or more' },
      capabilities: {
        reports: {
          service: { url: 'http://127.0.0.1:9', database: { url: `${database.url}_service` } },
          routes: ['GET /reports/:id'],
          sync: 'sync.ts',
        },
      },
    })}\n`,
  )
  const edge = await startProcess(['edge/main.ts', '--config', join(directory, 'ficus.config.ts')], {
    ready: `http://127.0.0.1:${management}/ready`,
  })
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await edge.stop()
      await database[Symbol.asyncDispose]()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
