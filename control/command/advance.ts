import type { Command } from 'commander'
import type { Control } from '../control.ts'
import { type Advanced, advance } from '../move/advance.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { type CommonOptions, ficusCommand, type Host, runWithControl } from './command.ts'
import { gateLines } from './gate-lines.ts'

export interface MoveOptions extends CommonOptions {
  readonly as?: string
  readonly reason?: string
}

export interface AdvanceCommandOptions extends MoveOptions {
  readonly run?: true
  readonly force?: true
}

/** `ficus advance <capability>` */
export function advanceCommand(host: Host): Command {
  return ficusCommand(
    'advance',
    'Runs the gates of the next phase, then moves forward or says exactly what is missing.',
    'ficus advance catalog --run',
  )
    .argument('<capability>', 'which one moves')
    .option('--run', 'gather the slow gates too (contracts, load), instead of reading their last results')
    .option('--force', 'move though gates are red; needs --reason')
    .option('--reason <text>', 'why, kept in the journal')
    .option('--as <name>', 'who moves it, for the journal (default: the system user)')
    .action((capability: string, options: AdvanceCommandOptions) =>
      runWithControl(host, options, async (control, { terminal, signal }) => {
        await moveForward(control, capability, options, terminal, signal)
        return 0
      }),
    )
}

/** Advances and prints the gates as they are decided. */
export async function moveForward(
  control: Control,
  capability: string,
  options: AdvanceCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Advanced> {
  const moved = await advance(control, capability, {
    signal,
    run: options.run === true,
    force: options.force === true,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...gateLines(terminal),
    dropping: () => terminal.remark('removing what an interrupted rollback left ...'),
  })
  const { from, state, forced } = moved
  if (forced.length > 0)
    terminal.remark(terminal.colour.yellow(`forced past ${forced.join(', ')}; the journal keeps it`))
  terminal.line(`${capability} moved from ${from} to ${terminal.colour.cyan(state.phase)} (epoch ${state.epoch})`)
  terminal.line(nextHint(capability, moved))
  terminal.document({ capability, from, to: state.phase, epoch: state.epoch, forced, gates: moved.gates })
  return moved
}

function nextHint(capability: string, { state }: Advanced): string {
  switch (state.phase) {
    case 'syncing':
      return `the sync process copies its rows now: \`ficus status ${capability} --watch\``
    case 'shadowing':
      return `mirror reads to compare them: \`ficus route ${capability} --shadow 100\``
    case 'canary':
      return `give the service a share of the reads: \`ficus route ${capability} --read 5\``
    default:
      return ''
  }
}
