import { type BenchOptions, type BenchRow, printRows } from '../report/report.ts'
import { costCells, costTable, MILLIONS, memoryRow } from '../report/scale.ts'
import { createDatabases, describeClusters, startClusters } from './clusters.ts'
import { openFicus } from './ficus.ts'
import { runWorkloads } from './turn.ts'
import { backlogOf } from './workload.ts'

const QUICK_MILLIONS = [0.01, 0.1, 1]

/**
 * How cost grows with rows: a copy of so many, then as many new ones that waited in the slot. The sync process is started
 * anew for the backlog, so that each has a peak of its own.
 */
export async function measureScale(
  { quick, json }: BenchOptions,
  resources: AsyncDisposableStack,
  tell: (step: string) => void,
): Promise<void> {
  const costs: string[][] = []
  const rows: BenchRow[] = []
  let description = ''
  for (const millions of quick ? QUICK_MILLIONS : MILLIONS) {
    const count = millions * 1_000_000
    tell(`${millions} million rows: starting two clusters`)
    await using stack = new AsyncDisposableStack()
    resources.defer(() => stack.disposeAsync())
    const clusters = await startClusters(count, stack)
    description = await describeClusters(clusters)
    await using databases = await createDatabases(clusters, 'scale')
    await using contender = await openFicus(databases, stack)
    const workloads = [backlogOf(count)]
    const measured = await runWorkloads(clusters, databases, contender, count, workloads, step =>
      tell(`${millions} million rows: ${step}`),
    )
    for (const [what, result] of measured) {
      costs.push([String(millions), what, ...costCells(result)])
      if (result.peakMemory === null) continue
      rows.push(memoryRow(`peak memory, ${what} of ${millions} million rows`, [result.peakMemory]))
    }
  }
  tell('')
  console.log(description)
  console.log(costTable(['million rows', 'what'], costs), '\n')
  await printRows(rows, json)
}
