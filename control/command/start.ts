import { FicusError } from '@ficus/core/errors/ficus-error'
import type { Command } from 'commander'
import { awaitStreaming } from '../move/await-streaming.ts'
import { plural } from '../terminal/words.ts'
import { type AdvanceCommandOptions, moveForward } from './advance.ts'
import { ficusCommand, type Host, runWithControl } from './command.ts'

interface StartOptions extends AdvanceCommandOptions {
  readonly wait?: true
}

/** `ficus start <capability>`: the first step, legacy to syncing. */
export function startCommand(host: Host): Command {
  return ficusCommand('start', 'Starts a migration: from legacy to syncing.', 'ficus start catalog --wait')
    .argument('<capability>', 'which one starts')
    .option('--wait', 'stay until all rows are copied')
    .option('--force', 'start though gates are red; needs --reason')
    .option('--reason <text>', 'why, kept in the journal')
    .option('--as <name>', 'who starts it, for the journal (default: the system user)')
    .action((capability: string, options: StartOptions) =>
      runWithControl(host, options, async (control, { terminal, signal }) => {
        const { phase } = await control.ledger.capability(control.name(capability))
        const waitsAgain = phase === 'syncing' && options.wait === true
        if (phase !== 'legacy' && !waitsAgain) {
          throw new FicusError('FICUS_MOVE_NOT_ALLOWED', `${capability} has started already: it is ${phase}`, {
            remedy: `Go on with \`ficus advance ${capability}\`.`,
          })
        }
        if (phase === 'legacy') await moveForward(control, capability, options, terminal, signal)
        if (options.wait !== true) return 0
        const progress = terminal.progress('  copying', 'rows')
        try {
          const { copiedRows } = await awaitStreaming(control, capability, signal, progress)
          terminal.line(`copied ${plural(copiedRows, 'row')}; changes follow as they come`)
        } finally {
          progress.stop()
        }
        return 0
      }),
    )
}
