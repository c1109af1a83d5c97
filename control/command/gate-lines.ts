import type { GateEvents, GateOutcome } from '../gate/evaluate.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { showVerdict } from '../terminal/words.ts'

/** Prints each gate as it is decided, with a progress bar while it takes long. */
export function gateLines(terminal: Terminal): GateEvents {
  return {
    started: (gate, proves) => terminal.progress(`  ${gate}: ${proves}`),
    remark: text => terminal.remark(`  ${text}`),
    done: outcome => terminal.line(`  ${gateLine(outcome, terminal)}`),
  }
}

/** `pass  lag  0 rows, 0.1 s behind (limit 5 s)` */
export function gateLine({ gate, verdict, summary }: GateOutcome, terminal: Terminal): string {
  const { colour } = terminal
  const shown = verdict === 'missing' || verdict === 'stale' ? colour.yellow(verdict) : showVerdict(verdict, terminal)
  return `${shown}  ${colour.bold(gate)}  ${summary}`
}
