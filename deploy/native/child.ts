import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** How to run one server as a child process. */
export interface ChildOptions {
  /** Names the child in messages, such as `PostgreSQL`. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Runs it as another user; only root may. */
  readonly uid?: number
  readonly gid?: number
  /** Gets every line of its standard output and standard error. */
  readonly log?: (line: string) => void
  /** Asks it to end: `SIGTERM` unless the server has a better one. */
  readonly stopSignal?: NodeJS.Signals
  /** Sent when it has not ended `stopTimeout` milliseconds after `stopSignal`: `SIGKILL` unless given. */
  readonly lastSignal?: NodeJS.Signals
  readonly stopTimeout?: number
}

/** A server that runs as a child process. */
export interface Server extends AsyncDisposable {
  readonly pid: number
  /**
   * Settles with `code 1` or `signal SIGKILL` when it has ended, for whatever reason, and everything it started too:
   * the pipes of its output are closed then. Never rejects.
   */
  readonly ended: Promise<string>
  /** Ends it with a signal, as an accident would, and resolves when it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
  /** Ends it in order, with force when it takes too long. May be called twice, and after `kill`. */
  stop(): Promise<void>
}

/** A running child process, for whoever makes a server of it. */
export interface Child extends Server {
  /** Its first complaints and its last lines, for the message of an error. */
  tail(): string
  /** Resolves when a line it writes holds `text`. @throws FicusError when it ends first or `timeout` ms pass. */
  waitForLine(text: string, timeout: number): Promise<void>
}

/** What a server shows of its child. */
export function serverOf(child: Child): Server {
  const { pid, ended, kill, stop } = child
  return { pid, ended, kill, stop, [Symbol.asyncDispose]: stop }
}

const TAIL_LINES = 40
/** A server that fails may say a hundred lines of farewell after the one that tells why. */
const COMPLAINT = /\b(ERROR|FATAL|PANIC)\b/
const COMPLAINTS = 3

/**
 * Starts a server in a process group of its own: a Ctrl-C in the terminal then reaches only us, and we stop the servers
 * in the right order. A leash ends the child when this process dies without doing so.
 *
 * @throws FicusError FICUS_COMPONENT_MISSING when the command cannot be started.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, stopSignal = 'SIGTERM', lastSignal = 'SIGKILL', stopTimeout = 15_000 } = options
  const child = spawn(options.command, options.args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
    env: { ...process.env, ...options.env },
  })
  const lines: string[] = []
  const complaints: string[] = []
  const listeners = new Set<(line: string) => void>()
  const take = (line: string) => {
    lines.push(line)
    if (complaints.length < COMPLAINTS && COMPLAINT.test(line)) complaints.push(line)
    if (lines.length > TAIL_LINES) lines.shift()
    options.log?.(line)
    for (const listener of listeners) listener(line)
  }
  readLines(child.stdout, take)
  readLines(child.stderr, take)
  const ended = new Promise<string>(resolve => {
    child.on('close', (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`))
  })
  try {
    await once(child, 'spawn')
  } catch (cause) {
    throw new FicusError('FICUS_COMPONENT_MISSING', `${name} cannot be started: ${options.command}`, { cause })
  }
  const pid = child.pid
  if (pid === undefined) throw new FicusError('FICUS_COMPONENT_MISSING', `${name} has no process id`)
  child.on('exit', leash(pid, stopSignal))
  child.on('error', error => take(error.message))

  const tail = () => [...complaints.filter(line => !lines.includes(line)), ...lines].join('\n')
  const running = () => child.exitCode === null && child.signalCode === null
  const kill = async (signal: NodeJS.Signals) => {
    if (running()) child.kill(signal)
    await ended
  }
  let stopping: Promise<void> | undefined
  const stopNow = async () => {
    const force = setTimeout(() => child.kill(lastSignal), stopTimeout)
    await kill(stopSignal)
    clearTimeout(force)
  }
  const stop = () => {
    stopping ??= stopNow()
    return stopping
  }
  return {
    pid,
    ended,
    tail,
    waitForLine: (text, timeout) => {
      if (lines.some(line => line.includes(text))) return Promise.resolve()
      return new Promise<void>((resolve, reject) => {
        const settle = (error?: FicusError) => {
          clearTimeout(timer)
          listeners.delete(listener)
          if (error) reject(error)
          else resolve()
        }
        const failure = (what: string) => new FicusError('FICUS_INTERNAL', `${name} ${what}:\n${tail()}`)
        const listener = (line: string) => {
          if (line.includes(text)) settle()
        }
        const timer = setTimeout(() => settle(failure(`is not ready after ${timeout} ms`)), timeout)
        listeners.add(listener)
        ended.then(how => settle(failure(`ended with ${how} while it started`)))
      })
    },
    kill,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function readLines(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', take)
}

/**
 * Ends process `pid` with `signal` when this process dies, however it dies: a shell waits on a pipe that only we hold open.
 *
 * @returns takes the leash off; to be called as soon as `pid` has ended, before its number is given to another process.
 */
function leash(pid: number, signal: NodeJS.Signals): () => void {
  const script = `read -r _; kill -s ${signal.slice('SIG'.length)} ${pid} 2>/dev/null`
  const shell = spawn('sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  unrefPipe(shell.stdin)
  return () => {
    shell.kill('SIGKILL')
  }
}

/** A child's pipe is a socket beneath, and an open one keeps the process alive unless it is told not to. */
function unrefPipe(pipe: object): void {
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
}
