import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

/** Longer than any command of a test may take, milliseconds: one that hangs fails its test with what it said so far. */
const TIMEOUT = 55_000

/** How a `ficus` command ended. */
export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A `ficus` command that runs; `await using` ends it in order. */
export interface Cli extends AsyncDisposable {
  readonly pid: number
  kill(signal: NodeJS.Signals): void
  /** Resolves once what it said holds `text`. @throws with all that it said where it ends first. */
  says(text: string): Promise<void>
  readonly ended: Promise<CliResult>
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  /** `closed`: nobody reads its output. */
  readonly stdout?: 'read' | 'closed'
}

/** Starts `ficus` as a process of its own, as an operator would. @param cwd where ficus.config.ts is looked for. */
export function startCli(args: readonly string[], cwd: string, { env = {}, stdout }: CliOptions = {}): Cli {
  const child = execa(process.execPath, [MAIN, ...args], {
    cwd,
    env,
    reject: false,
    stdin: 'ignore',
    timeout: TIMEOUT,
  })
  if (child.pid === undefined) throw new Error('ficus was not started')
  if (stdout === 'closed') child.stdout.destroy()
  const ended = child.then(({ exitCode, stdout, stderr }) => ({ code: exitCode ?? null, stdout, stderr }))
  let said = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      said += String(chunk)
      for (const listener of listeners) listener()
    })
  }
  return {
    pid: child.pid,
    kill: signal => child.kill(signal),
    says: text =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (said.includes(text)) resolve()
        }
        look()
        listeners.add(look)
        ended.then(result => reject(new Error(`it ended without saying ${text}: ${JSON.stringify(result)}`)))
      }),
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** Runs a `ficus` command to its end. */
export function runCli(args: readonly string[], cwd: string, options?: CliOptions): Promise<CliResult> {
  return startCli(args, cwd, options).ended
}
