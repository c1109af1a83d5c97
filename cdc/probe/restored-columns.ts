import { showTable } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { checkMapping } from '../mapping/check-mapping.ts'
import { flowsOf, type Sync } from '../mapping/flow.ts'
import { readTableShape } from '../mapping/table-shape.ts'
import { note, type ProbeFinding, problem } from './finding.ts'

/**
 * What reverse would not bring back to the monolith: tables without a way back, columns that nothing writes, and all that
 * does not fit the live schemas.
 */
export async function probeColumns(monolith: Client, service: Client, sync: Sync): Promise<ProbeFinding[]> {
  const { problems } = await checkMapping(service, monolith, sync, 'reverse')
  const findings = problems.map(({ path, problem: text, remedy }) => problem('columns', path, text, remedy))
  const reversed = Map.groupBy(flowsOf(sync, 'reverse'), flow => showTable(flow.to))
  const tables = [...sync.tables.map(({ source }) => source), ...sync.back.map(({ target }) => target)]
  for (const table of new Map(tables.map(table => [showTable(table), table])).values()) {
    const name = showTable(table)
    const flows = reversed.get(name)
    if (flows === undefined) {
      const text = `no mapping leads back to ${name}: what the service writes would not reach it`
      findings.push(problem('columns', name, text, 'Add `reverse` to one of its mappings, or an entry of `back`.'))
      continue
    }
    const shape = await readTableShape(monolith, table)
    const written = new Set(flows.flatMap(flow => flow.columns.map(({ to }) => to)))
    for (const column of shape?.columns ?? []) {
      if (written.has(column.name) || column.generated || (column.notNull && !column.hasDefault)) continue
      const value = column.hasDefault ? 'its default' : 'null'
      const text = `reverse does not write it: in rows that the service adds it is ${value}, in others it stays as it is`
      const setting = flows.some(({ back }) => back) ? '`forward` of the entry of `back`' : '`reverse`'
      const remedy = `Add it to ${setting} if the monolith needs it.`
      findings.push(note('columns', `${name}.${column.name}`, text, remedy))
    }
  }
  return findings
}
