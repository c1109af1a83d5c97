import { PHASES, type Phase } from '@ficus/core/phases/phase'
import { type Command, Option } from 'commander'
import { dropIsUnfinished } from '../move/drop.ts'
import { rollback } from '../move/rollback.ts'
import type { MoveOptions } from './advance.ts'
import { ficusCommand, type Host, runWithControl } from './command.ts'

interface RollbackCommandOptions extends MoveOptions {
  readonly to?: Phase
  readonly yes?: true
}

/** `ficus rollback <capability>` */
export function rollbackCommand(host: Host): Command {
  return ficusCommand(
    'rollback',
    'Goes one phase back, or to the phase that --to names. No gate can refuse it.',
    'ficus rollback catalog --to legacy --reason "prices are rounded"',
  )
    .argument('<capability>', 'which one goes back')
    .addOption(new Option('--to <phase>', 'how far back (default: one phase)').choices(PHASES.slice(0, -1)))
    .option('--reason <text>', 'why, kept in the journal')
    .option('--yes', 'do not ask before the copied rows are dropped')
    .option('--as <name>', 'who goes back, for the journal (default: the system user)')
    .action((capability: string, options: RollbackCommandOptions) =>
      runWithControl(host, options, async (control, { terminal, signal }) => {
        const state = await control.ledger.capability(control.name(capability))
        const { phase } = state
        const unfinished = await dropIsUnfinished(control, state)
        const drops = options.to === 'legacy' || (options.to === undefined && (phase === 'syncing' || unfinished))
        const question = `This drops the rows that were copied into ${capability}'s database. Go on?`
        if (drops && options.yes !== true && !(await terminal.confirm(question))) {
          terminal.line(`${capability} stays ${phase}`)
          terminal.document({ capability, from: phase, to: phase })
          return 0
        }
        const back = await rollback(control, capability, {
          signal,
          ...(options.to === undefined ? {} : { to: options.to }),
          ...(options.reason === undefined ? {} : { reason: options.reason }),
          events: {
            moved: (from, to) => terminal.line(`${capability} moved from ${from} to ${terminal.colour.cyan(to)}`),
            dialLeft: (dial, error) =>
              terminal.remark(
                terminal.colour.yellow(
                  `the ${dial} dial could not be set to 0 (${error.code}: ${error.message}); ` +
                    `the phase keeps it from taking effect, but set it before you advance again`,
                ),
              ),
            dropping: by =>
              terminal.remark(
                by === 'sync' ? 'waiting for the sync process to drop what it made ...' : 'dropping what sync made ...',
              ),
          },
        })
        if (back.droppedBy !== null) terminal.line('slot, publication and copied rows are gone')
        terminal.document({
          capability,
          from: back.from,
          to: back.state.phase,
          path: back.path,
          epoch: back.state.epoch,
          dialsLeft: back.dialsLeft,
          droppedBy: back.droppedBy,
        })
        return 0
      }),
    )
}
