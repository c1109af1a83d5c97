import { execa, type Options, type ResultPromise } from 'execa'

const TAIL_CHARACTERS = 2_000

/** Where and how a provider's commands run. */
export interface CommandOptions {
  readonly directory: string
  readonly env: Readonly<Record<string, string>>
  /** Gets what the command writes, as it comes. */
  readonly output: (text: string) => void
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopWithin: number
  /** Ends the command. */
  readonly signal?: AbortSignal
}

/** A command that runs, with all the processes that it started. */
export interface RunningCommand {
  readonly running: boolean
  /** Settles with `code 1`, `signal SIGKILL` or why it could not be started, once it has ended. Never rejects. */
  readonly ended: Promise<string>
  /** What it wrote last. */
  tail(): string
  /** Ends it and all that it started. May be called twice. */
  stop(): Promise<void>
}

/**
 * Runs a program in a process group of its own, which ends as a whole: with `stop`, and when this process ends.
 * @param command a program and its arguments. `node` stands for the Node that runs this.
 */
export function runCommand(command: readonly string[], options: CommandOptions): RunningCommand {
  const [program = '', ...args] = command
  const settings = {
    cwd: options.directory,
    env: { ...options.env },
    stdin: 'ignore',
    all: true,
    buffer: false,
    reject: false,
    killDescendants: true,
    forceKillAfterDelay: options.stopWithin,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  } as const satisfies Options
  const child: ResultPromise<typeof settings> = execa(program === 'node' ? process.execPath : program, args, settings)
  let tail = ''
  child.all.setEncoding('utf8')
  child.all.on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS)
    options.output(text)
  })
  let running = true
  const ended = child.then(({ exitCode, signal, originalMessage }) => {
    running = false
    if (signal !== undefined) return `signal ${signal}`
    return exitCode === undefined ? (originalMessage ?? 'no reason given') : `code ${exitCode}`
  })
  return {
    get running() {
      return running
    },
    ended,
    tail: () => tail.trim(),
    stop: async () => {
      child.kill()
      await ended
      child.kill('SIGKILL') // What it started may live on, silent, after it ended itself.
    },
  }
}
