import type { JournalEntry } from '@ficus/core/ledger/records'
import { table } from '@ficus/core/terminal/table'
import { type Command, InvalidArgumentError } from 'commander'
import { plural } from '../terminal/words.ts'
import { type CommonOptions, ficusCommand, type Host, runWithControl } from './command.ts'

/** `ficus journal [capability]` */
export function journalCommand(host: Host): Command {
  return ficusCommand('journal', 'Shows who did what, when, and on what evidence.', 'ficus journal catalog --limit 20')
    .argument('[capability]', 'all of them unless named')
    .option('--limit <count>', 'how many entries, the newest', positive, 50)
    .action((capability: string | undefined, options: CommonOptions & { readonly limit: number }) =>
      runWithControl(host, options, async (control, { terminal }) => {
        if (capability !== undefined) control.capability(capability)
        const { limit } = options
        const entries = await control.ledger.journal(capability === undefined ? { limit } : { capability, limit })
        if (entries.length === 0) terminal.line('nothing was done yet')
        else terminal.line(table(['when', 'what', 'who', 'action', 'outcome'], entries.map(toRow)))
        terminal.document({ entries })
        return 0
      }),
    )
}

function toRow(entry: JournalEntry): string[] {
  const { at, capability, actor, action, reason } = entry
  const when = at
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
  return [when, capability, actor, action, outcome(entry) + (reason === null ? '' : ` (${reason})`)]
}

function outcome({ fromPhase, toPhase, evidence }: JournalEntry): string {
  if (toPhase !== null) {
    const forced = Array.isArray(evidence.forced) ? `, forced past ${evidence.forced.join(', ')}` : ''
    const gates = Array.isArray(evidence.gates) ? `, gate results ${evidence.gates.map(gateId).join(', ')}` : ''
    return `${fromPhase} -> ${toPhase}${gates}${forced}`
  }
  if (typeof evidence.error === 'string') return evidence.error
  const tables = evidence.rows ?? evidence.repaired
  if (Array.isArray(tables)) return tables.map(repairedTable).join(', ')
  const set = evidence.set
  if (typeof set !== 'object' || set === null) return ''
  return Object.entries(set)
    .map(([dial, percent]) => `${dial} ${percent} %`)
    .join(', ')
}

/** `2 rows of a -> b`, or what became of them: `1 row of a -> b, 1 left`. */
function repairedTable(counted: unknown): string {
  if (typeof counted !== 'object' || counted === null || !('source' in counted && 'target' in counted)) return '?'
  const rows = 'rows' in counted ? counted.rows : 'repaired' in counted ? counted.repaired : null
  const left = 'left' in counted && typeof counted.left === 'number' && counted.left > 0 ? `, ${counted.left} left` : ''
  return `${typeof rows === 'number' ? plural(rows, 'row') : '?'} of ${counted.source} -> ${counted.target}${left}`
}

function gateId(gate: unknown): string {
  if (typeof gate !== 'object' || gate === null || !('gate' in gate)) return '?'
  return `${gate.gate} ${'id' in gate && typeof gate.id === 'number' ? `#${gate.id}` : 'none'}`
}

function positive(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new InvalidArgumentError('It must be a whole number from 1 on.')
}
