import type { ReverseReport } from '../joint/cdc.ts'
import type { Terminal } from '../terminal/terminal.ts'

/** Prints what a probe of the way back found, with what to do about it. */
export function renderReverse({ findings }: ReverseReport, terminal: Terminal): void {
  const { colour } = terminal
  for (const { kind, where, problem, remedy, said } of findings) {
    const shown =
      kind === 'problem' ? colour.red(problem) : colour.yellow(kind === 'note' ? `note: ${problem}` : problem)
    terminal.line(`  ${where}: ${shown}`)
    if (said !== undefined) terminal.line(`    it said: ${said}`)
    terminal.line(`    ${remedy}`)
  }
}
