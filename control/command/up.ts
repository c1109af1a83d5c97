import { relative } from 'node:path'
import { table } from '@ficus/core/terminal/table'
import type { Command } from 'commander'
import { orAborted } from '../move/lease.ts'
import { type CommonOptions, ficusCommand, type Host, runCommand } from './command.ts'

/** `ficus up` */
export function upCommand(host: Host): Command {
  return ficusCommand(
    'up',
    'Starts what the config lists under local, then the edge and sync, and stays until Ctrl-C stops all of them.',
    'ficus up',
  ).action((options: CommonOptions) =>
    runCommand(host, options, async ({ terminal, loaded, signal }) => {
      const { colour } = terminal
      // Only here: the image that runs the other commands has no servers to start.
      const { startLocal } = await import('../up/start-local.ts')
      await using system = await startLocal(loaded, {
        signal,
        events: {
          starting: (name, detail) =>
            terminal.remark(colour.dim(`starting ${name}${detail === '' ? '' : ` (${detail})`} ...`)),
          stopping: name => terminal.remark(colour.dim(`stopping ${name} ...`)),
        },
      })
      const rows = system.parts.map(({ name, url, pid, log }) => [
        colour.bold(name),
        url,
        String(pid),
        relative('', log),
      ])
      terminal.line(`\n${table(['part', 'address', 'process', 'log'], rows)}\n`)
      terminal.line('Try: ficus status, ficus check. Ctrl-C stops all of them.')
      terminal.emit({ parts: system.parts })
      const ended = await orAborted(system.firstEnd, signal).catch(() => null)
      if (ended !== null) throw ended
      return 0
    }),
  )
}
