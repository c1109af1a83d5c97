import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContractProvider } from '@ficus/core/config/schema'
import { freePort } from '@ficus/deploy/native/free-port'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type ProviderOptions, withProvider } from './with-provider.ts'

/** Writes its process id, then answers `READY` (503 until then) on `PORT`. `STUBBORN` takes no notice of SIGTERM. */
const SERVER = `
const { createServer } = require('node:http')
const { writeFileSync } = require('node:fs')
if (process.env.STUBBORN) process.on('SIGTERM', () => {})
writeFileSync('pid', String(process.pid))
console.log('listening soon')
createServer((request, response) => {
  if (request.url === '/crash') process.exit(7)
  response.writeHead(Number(process.env.STATUS ?? 200)).end()
}).listen(Number(process.env.PORT), '127.0.0.1')
`

let directory: string
let url: string
let env: Record<string, string>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ficus-provider-'))
  await writeFile(join(directory, 'server.cjs'), SERVER)
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  env = { PORT: String(port) }
})

afterEach(() => rm(directory, { recursive: true }))

type Start = NonNullable<ContractProvider['start']>

function provider(start: Partial<Start> = {}): ContractProvider {
  return {
    url,
    states: '/states',
    start: { before: [], command: ['node', 'server.cjs'], ready: '/ready', ...start, env: { ...env, ...start.env } },
  }
}

function options(more: Partial<ProviderOptions> = {}): ProviderOptions {
  return { name: 'the store', directory, signal: new AbortController().signal, stopWithin: 2_000, ...more }
}

async function pid(): Promise<number> {
  return Number(await readFile(join(directory, 'pid'), 'utf8'))
}

function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0)
  } catch {
    return false
  }
}

describe('withProvider', () => {
  it('starts it in the config’s folder with its environment, and stops it after the work', async () => {
    const seen = await withProvider(provider(), options(), async () => {
      expect(isAlive(await pid())).toBe(true)
      return (await fetch(url)).status
    })
    expect(seen).toBe(200)
    expect(isAlive(await pid())).toBe(false)
  })

  it('stops it when the work throws, and throws the same', async () => {
    const work = () => Promise.reject(new Error('verifier broke'))
    await expect(withProvider(provider(), options(), work)).rejects.toThrow('verifier broke')
    expect(isAlive(await pid())).toBe(false)
  })

  it('kills one that takes no notice of SIGTERM', async () => {
    await withProvider(provider({ env: { STUBBORN: '1' } }), options({ stopWithin: 100 }), async () => {})
    expect(isAlive(await pid())).toBe(false)
  })

  it('leaves none of the processes that it started', async () => {
    const command = ['sh', '-c', `'${process.execPath}' server.cjs > /dev/null 2>&1 & wait`]
    await withProvider(provider({ command, env: { STUBBORN: '1' } }), options({ stopWithin: 100 }), async () => {})
    await vi.waitFor(() => expect(fetch(url)).rejects.toThrow())
  })

  it('stops it when it is aborted while it starts', async () => {
    const controller = new AbortController()
    const work = vi.fn(async () => {})
    const output = () => controller.abort(new Error('Ctrl-C'))
    const start = provider({ env: { STATUS: '503' } })
    await expect(withProvider(start, options({ signal: controller.signal, output }), work)).rejects.toThrow('Ctrl-C')
    expect(work).not.toHaveBeenCalled()
    expect(isAlive(await pid())).toBe(false)
  })

  it('does without a start what runs already', async () => {
    expect(await withProvider({ url, states: '/states' }, options(), async () => 'done')).toBe('done')
  })

  it('runs the commands before it, one after the other', async () => {
    const write = (text: string) => ['node', '-e', `require('node:fs').appendFileSync('order', '${text}')`]
    await withProvider(provider({ before: [write('1'), write('2')] }), options(), async () => {
      expect(await readFile(join(directory, 'order'), 'utf8')).toBe('12')
    })
  })

  describe('says what it wrote last', () => {
    const never = () => Promise.reject(new Error('not to be reached'))

    it.each([
      [
        'a command before it fails',
        { before: [['node', '-e', 'console.log("no database"); process.exit(3)']] },
        /the store could not be prepared: its command ended \(code 3\)[\s\S]*no database/,
      ],
      [
        'a program that does not exist',
        { command: ['no-such-program'] },
        /the store ended \(.*ENOENT.*\) while it started/,
      ],
      [
        'it ends while it starts',
        { command: ['node', '-e', 'console.error("port?"); process.exit(4)'] },
        /the store ended \(code 4\) while it started[\s\S]*port\?/,
      ],
      [
        'it is never ready',
        { env: { STATUS: '503' } },
        /the store is not ready after 700 ms: http.*\/ready gave status 503[\s\S]*server\.cjs[\s\S]*listening soon/,
      ],
    ])('%s', async (_, start, message) => {
      const failing = withProvider(provider(start), options({ readyWithin: 700 }), never)
      await expect(failing).rejects.toMatchObject({
        code: 'FICUS_SERVICE_UNREACHABLE',
        message: expect.stringMatching(message),
      })
    })

    it('it ends while it is verified', async () => {
      const crash = async () => void (await fetch(`${url}/crash`).catch(() => {}))
      await expect(withProvider(provider(), options(), crash)).rejects.toThrow(
        /the store stopped answering \(code 7\) while it was verified[\s\S]*listening soon/,
      )
    })
  })

  it('refuses to verify a stranger at its address', async () => {
    const other = provider()
    await withProvider(other, options(), async () => {
      await expect(withProvider(provider(), options(), async () => {})).rejects.toMatchObject({
        code: 'FICUS_PORT_TAKEN',
      })
    })
  })
})
