import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { gatherStatus } from '../status/gather.ts'
import { renderStatus } from '../status/render.ts'
import { type CommonOptions, ficusCommand, type Host, runWithControl } from './command.ts'

const REDRAW = 1_000

/** `ficus status [capability]` */
export function statusCommand(host: Host): Command {
  return ficusCommand(
    'status',
    'Shows phase, owner, dials, sync, gates, traffic and errors of each capability.',
    'ficus status catalog --watch',
  )
    .argument('[capability]', 'all of them unless named')
    .option('--watch', 'draw it anew every second until Ctrl-C')
    .action((capability: string | undefined, options: CommonOptions & { readonly watch?: true }) =>
      runWithControl(host, options, async (control, { terminal, loaded, signal }) => {
        if (capability !== undefined) control.capability(capability)
        const names = capability === undefined ? Object.keys(loaded.migration.capabilities) : [capability]
        for (;;) {
          const status = await gatherStatus(control, names)
          if (options.watch) terminal.clear()
          renderStatus(status, terminal)
          terminal.document(status)
          if (!options.watch || options.json) return 0
          await delay(REDRAW, undefined, { signal }).catch(() => {})
          if (signal.aborted) return 0
        }
      }),
    )
}
