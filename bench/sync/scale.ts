import { table } from '@ficus/core/terminal/table'
import { type BenchOptions, type BenchRow, compareRounds, printRows } from '../report/report.ts'
import { createDatabases, describeClusters, startClusters } from './clusters.ts'
import { openFicus } from './ficus.ts'
import { type Measured, runWorkloads } from './turn.ts'
import { backlogOf } from './workload.ts'

const MILLIONS = [0.1, 1, 10]
const QUICK_MILLIONS = [0.01, 0.1, 1]
/** Resident, MB, however long the backlog. */
const MEMORY_LIMIT = 300

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
      costs.push([String(millions), what, ...shown(result)])
      if (result.peakMemory === null) continue
      const peak = result.peakMemory / 2 ** 20
      const name = `peak memory, ${what} of ${millions} million rows`
      rows.push(compareRounds(name, 'MB', [peak], 'the limit', [MEMORY_LIMIT], '<= 1'))
    }
  }
  tell('')
  console.log(description)
  console.log(
    table(['million rows', 'what', 'rows/s', 'CPU s per 100,000 rows: Node', 'servers', 'peak, MB'], costs),
    '\n',
  )
  await printRows(rows, json)
}

function shown({ rowsPerSecond, nodeCpu, serverCpu, peakMemory }: Measured): string[] {
  const seconds = (value: number | null) => value?.toFixed(2) ?? 'unknown'
  const peak = peakMemory === null ? 'unknown' : (peakMemory / 2 ** 20).toFixed(0)
  return [Math.round(rowsPerSecond).toLocaleString('en-US'), seconds(nodeCpu), seconds(serverCpu), peak]
}
