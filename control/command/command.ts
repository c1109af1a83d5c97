import type { LoadedConfig } from '@ficus/core/config/load-config'
import { loadConfig } from '@ficus/core/config/load-config'
import { Command, InvalidArgumentError } from 'commander'
import { Control } from '../control.ts'
import { reportError } from '../terminal/report-error.ts'
import { type Streams, Terminal } from '../terminal/terminal.ts'

/** 0 done, 1 refused by a gate, 2 bad usage or config, 3 a part is unreachable; 130 interrupted by Ctrl-C. */
export type ExitCode = 0 | 1 | 2 | 3 | 130

/** The process around a command, or its stand-in in a test. */
export interface Host {
  readonly streams: Streams
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
  exit(code: ExitCode): void
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly config: string
  readonly json?: true
}

/** What a command's work is given. */
export interface Session {
  readonly terminal: Terminal
  readonly loaded: LoadedConfig
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A signal ended a command that can go on; the message says how. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

/** What an exit code means for one command, where `ficus --help` does not say enough. */
export type ExitMeanings = Readonly<Partial<Record<ExitCode, string>>>

const EXITS: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'refused by a gate',
  2: 'bad usage or config',
  3: 'a part is unreachable',
  130: 'interrupted by Ctrl-C',
}

/** The exit codes, for a help page. */
export function exitCodesHelp(own: ExitMeanings = {}): string {
  const lines = Object.entries({ ...EXITS, ...own }).map(([code, meaning]) => `  ${code.padEnd(3)}  ${meaning}`)
  return `\nExit codes:\n${lines.join('\n')}`
}

/**
 * A command with the options that all take, and examples at the end of its help.
 * @param exits tells the exit codes above the examples, where a command gives them a meaning of its own.
 */
export function ficusCommand(
  name: string,
  summary: string,
  examples: string | string[],
  exits?: ExitMeanings,
): Command {
  const lines = [examples].flat()
  const command = new Command(name)
    .description(summary)
    .option('--config <file>', 'the config file', 'ficus.config.ts')
    .option('--json', 'print one JSON document instead of text')
  if (exits !== undefined) command.addHelpText('after', exitCodesHelp(exits))
  const title = lines.length === 1 ? 'Example' : 'Examples'
  return command.addHelpText('after', `\n${title}:\n${lines.map(line => `  $ ${line}`).join('\n')}`)
}

/** Loads the config and does `work`; tells what went wrong, and ends with the exit code that belongs to it. */
export async function runCommand(
  host: Host,
  options: CommonOptions,
  work: (session: Session) => Promise<ExitCode>,
): Promise<void> {
  const terminal = new Terminal(host.streams, options.json === true, host.env)
  let code: ExitCode
  try {
    const loaded = await loadConfig(options.config, host.env)
    code = await work({ terminal, loaded, signal: host.signal, env: host.env })
  } catch (error) {
    if (host.signal.aborted) {
      const isResumable = error instanceof Interrupted
      terminal.remark(isResumable ? error.message : 'interrupted; run the command again to go on')
      const message = isResumable ? error.message : 'interrupted by a signal'
      terminal.amend({ error: { code: 'INTERRUPTED', message } })
      code = 130
    } else {
      code = reportError(error, terminal)
    }
  }
  terminal.flush()
  host.exit(code)
}

/** As `runCommand`, for commands that need the ledger. */
export function runWithControl(
  host: Host,
  options: CommonOptions & { readonly as?: string },
  work: (control: Control, session: Session) => Promise<ExitCode>,
): Promise<void> {
  return runCommand(host, options, async session => {
    await using control = await Control.open(session.loaded, options.as)
    return await work(control, session)
  })
}

/** For `--read 25`: a whole percentage. */
export function percentage(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= 100) return value
  throw new InvalidArgumentError('It must be a whole number from 0 to 100.')
}
