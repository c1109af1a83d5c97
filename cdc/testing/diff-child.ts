import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { DiffOptions } from '../diff/diff-capability.ts'
import type { TableDiff } from '../diff/table-comparison.ts'
import type { SyncInput } from '../mapping/define-sync.ts'

const MAIN = fileURLToPath(new URL('./diff-main.ts', import.meta.url))

/** What a comparison in a process of its own is told. */
export interface DiffChildOptions
  extends Pick<
    DiffOptions,
    | 'source'
    | 'target'
    | 'capability'
    | 'direction'
    | 'mode'
    | 'workers'
    | 'limits'
    | 'rangeRows'
    | 'resume'
    | 'timeoutMs'
  > {
  /** Or the path of a sync file, of which a function's text is then the one that the sync process has. */
  readonly sync: SyncInput | string
}

/** A comparison in a process of its own; `await using` ends it. */
export interface DiffChild extends AsyncDisposable {
  readonly process: ChildProcess
  /** What it found. @throws with what it said where it ends without. */
  tables(): Promise<readonly TableDiff[]>
  kill(): Promise<void>
}

export function startDiffChild(options: DiffChildOptions): DiffChild {
  const child = spawn(process.execPath, [MAIN, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(child, 'exit')
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  const tables = async () => {
    const [[code], [found, failure]] = await Promise.all([ended, said])
    if (code !== 0) throw new Error(`the comparison ended with ${code}: ${failure}`)
    return JSON.parse(found) as readonly TableDiff[]
  }
  return { process: child, tables, kill, [Symbol.asyncDispose]: kill }
}
