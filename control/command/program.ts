import { FicusError } from '@ficus/core/errors/ficus-error'
import { Command, CommanderError } from 'commander'
import { reportError } from '../terminal/report-error.ts'
import { Terminal } from '../terminal/terminal.ts'
import { advanceCommand } from './advance.ts'
import { checkCommand } from './check.ts'
import { exitCodesHelp, type Host } from './command.ts'
import { journalCommand } from './journal.ts'
import { loadCommand } from './load.ts'
import { parkedCommand } from './parked.ts'
import { rollbackCommand } from './rollback.ts'
import { routeCommand } from './route.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { upCommand } from './up.ts'
import { verifyCommand } from './verify.ts'

/** The whole command line. */
export function ficusProgram(host: Host): Command {
  const program = new Command('ficus')
    .description('Moves one capability at a time out of a monolith: with proof at each step, and a way back.')
    .helpCommand(false)
    .addHelpText('after', exitCodesHelp())
  const commands = [
    statusCommand,
    checkCommand,
    startCommand,
    advanceCommand,
    rollbackCommand,
    routeCommand,
    verifyCommand,
    parkedCommand,
    loadCommand,
    journalCommand,
    upCommand,
  ]
  for (const command of commands) program.addCommand(command(host))
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    command.configureOutput({
      writeOut: text => host.streams.stdout.write(text),
      // Usage errors are told by `runProgram`, in the form of all errors.
      writeErr: () => {},
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
    })
  }
  return program
}

const HELP_WIDTH = 100

/** Parses the arguments and runs what they name. Never rejects: the host is told the exit code. */
export async function runProgram(host: Host, args: readonly string[]): Promise<void> {
  const program = ficusProgram(host)
  try {
    if (args.length === 0) program.help()
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return host.exit(0)
    const terminal = new Terminal(host.streams, args.includes('--json'), host.env)
    const code = reportError(error instanceof CommanderError ? usageError(error, args) : error, terminal)
    terminal.flush()
    host.exit(code)
  }
}

function usageError(error: CommanderError, args: readonly string[]): FicusError {
  const message = error.message.replace(/^error: /, '')
  const command = args.find(arg => !arg.startsWith('-'))
  const named = command === undefined || error.code === 'commander.unknownCommand' ? 'ficus' : `ficus ${command}`
  return new FicusError('FICUS_USAGE', message, {
    cause: error,
    remedy: `Run \`${named} --help\`; it ends with an example.`,
  })
}
