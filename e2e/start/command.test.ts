import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runCommand } from './command.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ficus-start-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function script(name: string, source: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, source)
  return file
}

it('gives the exit code', async () => {
  const { signal } = new AbortController()
  expect(await runCommand([await script('a.mjs', 'process.exitCode = 3')], folder, signal)).toBe(3)
})

it('begins nothing once it is interrupted', async () => {
  await expect(runCommand(['nothing.mjs'], folder, AbortSignal.abort(new Error('Ctrl-C')))).rejects.toThrow('Ctrl-C')
})

// What a terminal does at Ctrl-C (a negative process id: the group), and what `kill` does.
it.each([
  ['its whole group', -1],
  ['it alone', 1],
])('a command whose starter is signalled with %s cleans up once, and the starter learns of it', async (_whom, sign) => {
  const command = await script(
    'command.mjs',
    `let signals = 0
     process.on('SIGINT', () => {
       signals += 1
       // Long enough for a second signal to come.
       if (signals === 1) setTimeout(() => { console.log('cleaned up after', signals); process.exit(130) }, 200)
     })
     console.log('works')
     setInterval(() => {}, 1_000)`,
  )
  const starter = await script(
    'starter.mjs',
    `import { runCommand } from ${JSON.stringify(fileURLToPath(new URL('./command.ts', import.meta.url)))}
     const interrupt = new AbortController()
     process.on('SIGINT', () => interrupt.abort(new Error('Ctrl-C')))
     await runCommand([${JSON.stringify(command)}], '.', interrupt.signal).catch(error => console.log(error.message))`,
  )
  const child = spawn(process.execPath, [starter], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the starter did not start')
  let output = ''
  child.stdout.on('data', chunk => {
    if (output === '') process.kill(sign * pid, 'SIGINT')
    output += chunk
  })
  const [code] = await once(child, 'close')
  expect([output, code]).toEqual(['works\ncleaned up after 1\nCtrl-C\n', 0])
})
