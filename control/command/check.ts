import type { Command } from 'commander'
import { capabilityNames } from '../capability.ts'
import { inspectMapping } from '../joint/cdc.ts'
import { orAborted } from '../move/lease.ts'
import { preflight } from '../preflight/preflight.ts'
import { exitCodeOf } from '../preflight/problem.ts'
import { plural } from '../terminal/words.ts'
import { type CommonOptions, ficusCommand, type Host, runCommand } from './command.ts'

interface CheckOptions extends CommonOptions {
  readonly fix?: true
  readonly sql?: true
}

/** `ficus check [capability]` */
export function checkCommand(host: Host): Command {
  return ficusCommand(
    'check',
    'Looks at config, ledger, databases, mapping, flags and services, and lists every problem with its remedy.',
    'ficus check catalog --fix',
  )
    .argument('[capability]', 'all of them unless named')
    .option('--fix', 'create the flags that are missing, at 0 %')
    .option('--sql', 'show the SQL that the mapping becomes')
    .action((capability: string | undefined, options: CheckOptions) =>
      runCommand(host, options, async ({ terminal, loaded, signal }) => {
        const { colour } = terminal
        const capabilities = capabilityNames(loaded, capability)
        const areas = await orAborted(preflight(loaded, { capabilities, fix: options.fix === true, signal }), signal)
        const problems = areas.flatMap(area => area.problems)
        for (const area of areas) {
          const mark = area.problems.length === 0 ? colour.green('ok') : colour.red('no')
          terminal.line(`${mark}  ${colour.bold(area.name)}  ${area.detail}`)
          for (const { where, problem, remedy } of area.problems) {
            terminal.line(`      ${where}: ${colour.red(problem)}`)
            terminal.line(`        ${remedy}`)
          }
          for (const { where, problem, remedy } of area.notes) {
            terminal.line(`      ${where}: ${colour.yellow(`note: ${problem}`)}`)
            terminal.line(`        ${remedy}`)
          }
        }
        const sql: Record<string, Readonly<Record<string, string>>> = {}
        for (const name of options.sql === true ? capabilities : []) {
          sql[name] = (await inspectMapping(loaded, name)).sql
          for (const [title, statement] of Object.entries(sql[name])) {
            terminal.line(`\n${colour.dim(`-- ${name}: ${title}`)}\n${statement}`)
          }
        }
        terminal.line()
        terminal.line(problems.length === 0 ? 'No problem found.' : `${plural(problems.length, 'problem')} found.`)
        const notes = areas.flatMap(area => area.notes)
        terminal.document({ areas, problems, notes, ...(options.sql ? { sql } : {}) })
        return exitCodeOf(problems)
      }),
    )
}
