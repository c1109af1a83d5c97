import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { DiffOptions } from '../diff/diff-capability.ts'
import type { SyncInput } from '../mapping/define-sync.ts'

const MAIN = fileURLToPath(new URL('./diff-main.ts', import.meta.url))

/** What a comparison in a process of its own is told. */
export interface DiffChildOptions
  extends Pick<
    DiffOptions,
    'source' | 'target' | 'capability' | 'direction' | 'mode' | 'workers' | 'limits' | 'rangeRows' | 'resume'
  > {
  readonly sync: SyncInput
}

/** A comparison in a process of its own, for a test that kills it; `await using` ends it. */
export interface DiffChild extends AsyncDisposable {
  readonly process: ChildProcess
  kill(): Promise<void>
}

export function startDiffChild(options: DiffChildOptions): DiffChild {
  const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { process: child, kill, [Symbol.asyncDispose]: kill }
}
