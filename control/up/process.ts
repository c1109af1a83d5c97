import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { type Server, startChild } from '@ficus/deploy/native/child'
import type { PartLog } from './part-log.ts'

const READY_TIMEOUT = 60_000
const POLL = 100

/** How to run one process of the migration. */
export interface ProcessOptions {
  readonly name: string
  /** Run one after the other before it starts. */
  readonly before: readonly (readonly string[])[]
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  /** Answers 200 once it works. */
  readonly ready: string
  readonly log: PartLog
  readonly signal: AbortSignal
}

/**
 * Starts a process and waits until it is ready. It ends with this one, even when this one is killed.
 * @throws FICUS_SERVICE_UNREACHABLE with its last lines where it ends or does not become ready; the signal's reason.
 */
export async function startProcess(options: ProcessOptions): Promise<Server> {
  for (const command of options.before) await runToEnd(command, options)
  const child = await startChild(childOptions(options.name, options.command, options))
  let ended: string | undefined
  child.ended.then(how => {
    ended = how
  })
  const deadline = Date.now() + READY_TIMEOUT
  try {
    while (!(await answers(options.ready))) {
      options.signal.throwIfAborted()
      if (ended !== undefined) throw failed(`${options.name} ended with ${ended} while it started`, options.log)
      if (Date.now() > deadline) {
        throw failed(`${options.name} is not ready at ${options.ready} after ${READY_TIMEOUT / 1_000} s`, options.log)
      }
      await delay(POLL)
    }
  } catch (error) {
    await child.stop()
    throw error
  }
  return child
}

async function runToEnd(command: readonly string[], options: ProcessOptions): Promise<void> {
  const name = `${options.name}: ${command.join(' ')}`
  const child = await startChild(childOptions(name, command, options))
  const stop = () => void child.stop()
  options.signal.addEventListener('abort', stop, { once: true })
  if (options.signal.aborted) stop()
  const how = await child.ended
  options.signal.removeEventListener('abort', stop)
  options.signal.throwIfAborted()
  if (how !== 'code 0') throw failed(`${name} ended with ${how}`, options.log)
}

function childOptions(name: string, [program = '', ...args]: readonly string[], options: ProcessOptions) {
  return {
    name,
    command: program === 'node' ? process.execPath : program,
    args,
    cwd: options.cwd,
    // What it starts itself as `node` is to be this Node too.
    env: { ...options.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` },
    log: options.log.write,
  }
}

function failed(what: string, log: PartLog): FicusError {
  const tail = log.tail()
  return new FicusError('FICUS_SERVICE_UNREACHABLE', tail === '' ? what : `${what}:\n${tail}`, {
    remedy: `Its last lines say why; all of its log is ${log.path}.`,
  })
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
