import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { COMPONENT_NAMES, COMPONENTS, type ComponentName } from '../native/components.ts'

const MAIN = fileURLToPath(new URL('../native/main.ts', import.meta.url))

/** `npm run stack` as a process of its own, with what it writes. */
export type StackProcess = ChildProcessByStdio<null, Readable, Readable>

/** What `--json` tells of a server. */
export interface StackPart {
  readonly url: string
  readonly pid: number
}

/** Starts it with these flags; its environment is ours unless given. */
export function runStack(args: readonly string[], env: NodeJS.ProcessEnv = process.env): StackProcess {
  return spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** A stack whose servers all work. */
export interface RunningStack {
  readonly stack: StackProcess
  part(name: ComponentName): StackPart
  /** All that it wrote for a person, once it has ended. */
  readonly errors: Promise<string>
}

/**
 * Starts these servers, and those they need, on free ports with their data in `stateDir`.
 *
 * @throws with what it wrote when it ends before all of them work.
 */
export async function startStackProcess(only: readonly ComponentName[], stateDir: string): Promise<RunningStack> {
  const ports = COMPONENT_NAMES.flatMap(name => [COMPONENTS[name].flag, '0'])
  const stack = runStack(['--only', only.join(','), '--state', stateDir, '--json', ...ports])
  const errors = text(stack.stderr)
  const failed = once(stack, 'exit').then(async ([code]) => {
    throw new Error(`the stack ended with ${code}:\n${await errors}`)
  })
  // It ends some day, and is no failure then.
  failed.catch(() => {})
  const [line] = await Promise.race([once(createInterface({ input: stack.stdout }), 'line'), failed])
  const parts: Partial<Record<ComponentName, StackPart>> = JSON.parse(String(line))
  const part = (name: ComponentName) => {
    const found = parts[name]
    if (found === undefined) throw new Error(`the stack has no ${name}: ${line}`)
    return found
  }
  return { stack, part, errors }
}

/** Sends it a signal. @returns its exit code. */
export async function endStack(stack: StackProcess, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(stack, 'exit')
  stack.kill(signal)
  await exited
  return stack.exitCode
}

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
