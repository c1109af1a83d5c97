import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const SETUP = fileURLToPath(new URL('../setup.mjs', import.meta.url))

const [earlier, later] = [new Date(1_000_000_000_000), new Date(1_000_000_060_000)]

/** A project with a script, a pinned Node that says so, and an npm that notes what it was asked and installs. */
let project = ''
beforeEach(async () => {
  project = await realpath(await mkdtemp(join(tmpdir(), 'ficus-setup-')))
  await mkdir(join(project, 'node_modules', '.bin'), { recursive: true })
  await mkdir(join(project, 'bin'))
  await copyFile(SETUP, join(project, 'setup.mjs'))
  await program('node_modules/.bin/node', `PINNED=yes exec '${process.execPath}' "$@"`)
  await program('bin/npm', `echo "$@" >> npm-calls; exit \${NPM_STATUS:-0}`)
  await write('package-lock.json', '{}', earlier)
  await write('node_modules/.package-lock.json', '{}', later)
})
afterEach(() => rm(project, { recursive: true }))

async function write(file: string, content: string, changed: Date): Promise<void> {
  await writeFile(join(project, file), content)
  await utimes(join(project, file), changed, changed)
}

async function program(file: string, script: string): Promise<void> {
  await writeFile(join(project, file), `#!/bin/sh\n${script}\n`)
  await chmod(join(project, file), 0o755)
}

/** Starts `node setup.mjs <args>` with the npm of the project. */
function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const path = `${join(project, 'bin')}:${process.env.PATH}`
  const options = { cwd: join(project, 'bin'), env: { PATH: path, ...env } }
  return spawn(process.execPath, [join(project, 'setup.mjs'), ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function run(args: readonly string[], env?: NodeJS.ProcessEnv) {
  const child = start(args, env)
  const exited = once(child, 'exit')
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { output, errors, code: (await exited)[0] }
}

const npmCalls = () => readFile(join(project, 'npm-calls'), 'utf8').catch(() => '')

describe('what it installs', () => {
  const CI = 'ci --no-audit --no-fund --loglevel=error --strict-allow-scripts\n'

  it('is nothing while what is installed is newer than the lock file', async () => {
    expect(await run([])).toEqual({ output: '', errors: '', code: 0 })
    expect(await npmCalls()).toBe('')
  })

  it('is what the lock file asks for where that is newer', async () => {
    await utimes(join(project, 'package-lock.json'), new Date(), new Date())
    expect(await run([])).toMatchObject({ errors: expect.stringContaining('installing dependencies'), code: 0 })
    expect(await npmCalls()).toBe(CI)
  })

  it('is everything at first', async () => {
    await rm(join(project, 'node_modules', '.package-lock.json'))
    expect(await run([])).toMatchObject({ code: 0 })
    expect(await npmCalls()).toBe(CI)
  })

  it('is told when it fails, and nothing runs then', async () => {
    await rm(join(project, 'node_modules', '.package-lock.json'))
    await writeFile(join(project, 'script.mjs'), `console.log('runs')`)
    const result = await run(['script.mjs'], { NPM_STATUS: '7' })
    expect(result).toEqual({ output: '', errors: expect.stringContaining('the installation failed'), code: 7 })
  })
})

describe('the script', () => {
  it('runs with the pinned Node first on the PATH, its arguments, and the folder it was called in', async () => {
    await writeFile(
      join(project, 'script.mjs'),
      `const { argv, cwd, env } = process
      console.log(JSON.stringify([argv.slice(2), cwd(), env.PINNED, env.PATH.split(':')[0]]))`,
    )
    const { output, code } = await run(['script.mjs', '--flag', 'two words', ''])
    const bin = join(project, 'node_modules', '.bin')
    expect(JSON.parse(output)).toEqual([['--flag', 'two words', ''], join(project, 'bin'), 'yes', bin])
    expect(code).toBe(0)
  })

  it('gives its exit code', async () => {
    await writeFile(join(project, 'script.mjs'), 'process.exit(42)')
    expect(await run(['script.mjs'])).toEqual({ output: '', errors: '', code: 42 })
  })

  it('that dies of a signal gives the code that a shell would', async () => {
    await writeFile(join(project, 'script.mjs'), `process.kill(process.pid, 'SIGKILL')`)
    expect((await run(['script.mjs'])).code).toBe(128 + 9)
  })

  it.each<[NodeJS.Signals, number]>([
    ['SIGTERM', 3],
    ['SIGHUP', 4],
  ])('gets %s and ends in its own way', async (signal, code) => {
    await writeFile(
      join(project, 'script.mjs'),
      `process.on('${signal}', () => process.exit(${code}))
      setInterval(() => {}, 1_000)
      console.log('ready')`,
    )
    const child = start(['script.mjs'])
    expect(await firstOutput(child)).toBe('ready\n')
    const exited = once(child, 'exit')
    child.kill(signal)
    expect(await exited).toEqual([code, null])
  })
})

async function firstOutput(child: ChildProcess): Promise<string> {
  const [chunk] = await once(child.stdout ?? child, 'data')
  return String(chunk)
}
