import { table } from '@ficus/core/terminal/table'
import type { Command } from 'commander'
import { setDials } from '../dial/dials.ts'
import { dialLine } from '../status/render.ts'
import type { MoveOptions } from './advance.ts'
import { ficusCommand, type Host, percentage, runWithControl } from './command.ts'

interface RouteOptions extends MoveOptions {
  readonly read?: number
  readonly shadow?: number
}

/** `ficus route <capability>` */
export function routeCommand(host: Host): Command {
  return ficusCommand(
    'route',
    'Sets the dials: which share of users reads from the service, which share of reads is mirrored.',
    'ficus route catalog --read 25 --shadow 100',
  )
    .argument('<capability>', 'whose dials')
    .option('--read <percent>', 'the share of users whose reads the service answers', percentage)
    .option('--shadow <percent>', 'the share of reads that are mirrored to the service and compared', percentage)
    .option('--reason <text>', 'why, kept in the journal')
    .option('--as <name>', 'who sets them, for the journal (default: the system user)')
    .action((capability: string, options: RouteOptions) =>
      runWithControl(host, options, async (control, { terminal }) => {
        const { read, shadow, reason } = options
        const wanted = { ...(read === undefined ? {} : { read }), ...(shadow === undefined ? {} : { shadow }) }
        const { state, effects } = await setDials(control, capability, wanted, reason ?? null)
        terminal.line(
          table(
            [],
            [
              ['read', dialLine(effects.read)],
              ['shadow', dialLine(effects.shadow)],
            ],
          ),
        )
        terminal.document({ capability, phase: state.phase, set: wanted, dials: effects })
        return 0
      }),
    )
}
