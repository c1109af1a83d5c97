import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'

const script = `
  const { shutdownSignal } = await import(${JSON.stringify(new URL('./shutdown.ts', import.meta.url).href)})
  const asked = shutdownSignal()
  setInterval(() => {}, 60_000)
  process.send('ready')
  process.send(await asked)`

/** A process that waits for its signal, says which one came, and then drains for ever. */
async function waiting() {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  await once(child, 'message')
  return { child, ended, [Symbol.dispose]: () => child.kill('SIGKILL') }
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'resolves with %s, and the second signal ends the process with 130',
  async signal => {
    using waiter = await waiting()
    const told = once(waiter.child, 'message')
    waiter.child.kill(signal)
    expect(await told).toEqual([signal, undefined])
    waiter.child.kill('SIGINT')
    expect(await waiter.ended).toEqual([130, null])
  },
)
