import { setTimeout as delay } from 'node:timers/promises'
import type { ContractProvider } from '@ficus/core/config/schema'
import { FicusError } from '@ficus/core/errors/ficus-error'
import type { CommandOptions, RunningCommand } from './command.ts'

/** What a provider's start needs to know besides its part of the config. */
export interface ProviderOptions {
  /** Names it in messages: `the monolith`. */
  readonly name: string
  /** The config file's folder: where its commands run. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Gets what its commands write. */
  readonly output?: (text: string) => void
  /** Milliseconds until it must be ready. */
  readonly readyWithin?: number
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopWithin?: number
}

const POLL = 50
const POLL_TIMEOUT = 1_000

/**
 * Does `work` while a provider runs. With `start` in its config, it is started for that time: `before` one after the
 * other, then `command` until `ready` answers 200; whatever happens it is stopped afterwards, with all that it started.
 * Without, it must run already.
 *
 * @throws FICUS_PORT_TAKEN when something answers at its address before it is started.
 * @throws FICUS_SERVICE_UNREACHABLE when one of its commands fails, it is not ready in time, or ends during `work`;
 * the message ends with what it wrote last.
 */
export async function withProvider<T>(
  provider: ContractProvider,
  options: ProviderOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { start, url } = provider
  if (start === undefined) return work()
  const { name, directory, signal, output = () => {}, readyWithin = 30_000, stopWithin = 5_000 } = options
  const ready = url + start.ready
  if ((await statusOf(ready, signal)) !== null) {
    throw new FicusError('FICUS_PORT_TAKEN', `${name} cannot be started for its contracts: ${url} answers already`, {
      remedy: 'Stop what listens there, or leave `start` out of its contracts to verify what runs.',
    })
  }
  const settings: CommandOptions = { directory, env: start.env, output, stopWithin }
  for (const command of start.before) await finish(command, { ...settings, signal }, name)
  signal.throwIfAborted()
  const running = await run(start.command, settings)
  try {
    await waitUntilReady(running, ready, { name, command: start.command, readyWithin, signal })
    const result = await work()
    if ((await statusOf(ready, signal)) === null) {
      await running.stop()
      throw failure(`${name} stopped answering (${await running.ended}) while it was verified`, start.command, running)
    }
    return result
  } finally {
    await running.stop()
  }
}

/** What starts processes takes a while to load, and most commands start none. */
async function run(command: readonly string[], settings: CommandOptions): Promise<RunningCommand> {
  const { runCommand } = await import('./command.ts')
  return runCommand(command, settings)
}

/** Runs a command to its end. */
async function finish(command: readonly string[], settings: CommandOptions, name: string): Promise<void> {
  const running = await run(command, settings)
  const how = await running.ended
  settings.signal?.throwIfAborted()
  if (how !== 'code 0') throw failure(`${name} could not be prepared: its command ended (${how})`, command, running)
}

async function waitUntilReady(
  running: RunningCommand,
  ready: string,
  options: { name: string; command: readonly string[]; readyWithin: number; signal: AbortSignal },
): Promise<void> {
  const { name, command, readyWithin, signal } = options
  const deadline = performance.now() + readyWithin
  let status: number | null = null
  while (running.running) {
    status = await statusOf(ready, signal)
    if (status === 200 && running.running) return
    if (performance.now() > deadline) {
      const last = status === null ? 'no answer' : `status ${status}`
      throw failure(`${name} is not ready after ${readyWithin} ms: ${ready} gave ${last}`, command, running)
    }
    await delay(POLL)
  }
  throw failure(`${name} ended (${await running.ended}) while it started`, command, running)
}

/** A GET's status, or null when nothing answers. @throws the signal's reason. */
async function statusOf(url: string, signal: AbortSignal): Promise<number | null> {
  signal.throwIfAborted()
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(POLL_TIMEOUT)]) })
    await response.body?.cancel()
    return response.status
  } catch {
    signal.throwIfAborted()
    return null
  }
}

function failure(what: string, command: readonly string[], { tail }: RunningCommand): FicusError {
  const wrote = tail() === '' ? 'It wrote nothing.' : `It wrote last:\n${tail()}`
  return new FicusError('FICUS_SERVICE_UNREACHABLE', `${what}.\nCommand: ${command.join(' ')}\n${wrote}`, {
    remedy: 'Run the command by hand in the config file’s folder with the same environment, and mend what it says.',
  })
}
