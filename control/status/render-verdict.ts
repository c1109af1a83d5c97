import { table } from '@ficus/core/terminal/table'
import type { ContractVerdict } from '../joint/contracts.ts'
import type { Terminal } from '../terminal/terminal.ts'

type Outcome = ContractVerdict['interactions'][number]['monolith']

/** Prints how both sides did on each interaction, and what no interaction proves. */
export function renderVerdict(verdict: ContractVerdict, terminal: Terminal): void {
  const { colour } = terminal
  const show = ({ passed, compared }: Outcome) =>
    passed ? colour.green('pass') : compared ? colour.red('fail') : colour.yellow('not compared')
  const rows = verdict.interactions.map(({ name, route, monolith, service }) => [
    route,
    name,
    show(monolith),
    show(service),
  ])
  terminal.line(table(['route', 'interaction', 'monolith', 'service'], rows))
  for (const { name, monolith, service } of verdict.interactions) {
    for (const [side, { reason }] of Object.entries({ monolith, service })) {
      if (reason !== null) terminal.line(`  ${side}, ${name}: ${reason}`)
    }
  }
  if (verdict.unproven.length > 0) {
    terminal.line(colour.yellow(`no interaction proves ${verdict.unproven.join(', ')}`))
  }
}
