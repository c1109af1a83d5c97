import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')

/** One of the project's own processes, under test. */
export interface TestProcess {
  readonly child: ChildProcess
  /** Everything it printed so far, both streams. */
  output(): string
  /** Ends it with SIGTERM and waits; returns its exit code. */
  stop(): Promise<number | null>
  /** Kills it with SIGKILL, as a crash would, and waits. */
  kill(): Promise<void>
}

interface StartOptions {
  /** An address that answers 200 once the process works. Left out: returns at once. */
  readonly ready?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Starts `node <args>` in the project's folder. @throws with its output when it ends or is not ready within 30 s. */
export async function startProcess(args: readonly string[], options: StartOptions = {}): Promise<TestProcess> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    output += chunk
  })
  const exited = once(child, 'exit')
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal)
      await exited
    }
  }
  const running: TestProcess = {
    child,
    output: () => output,
    async stop() {
      await end('SIGTERM')
      return child.exitCode
    },
    kill: () => end('SIGKILL'),
  }
  const deadline = Date.now() + 30_000
  while (options.ready !== undefined) {
    const response = await fetch(options.ready).catch(() => null)
    await response?.arrayBuffer()
    if (response?.status === 200) break
    if (child.exitCode !== null) throw new Error(`${args[0]} ended with ${child.exitCode}:\n${output}`)
    if (Date.now() > deadline) {
      await running.kill()
      throw new Error(`${args[0]} is not ready at ${options.ready}:\n${output}`)
    }
    await sleep(50)
  }
  return running
}
