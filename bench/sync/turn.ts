import type { Cost } from '../report/scale.ts'
import { type Clusters, createDatabases, type Databases } from './clusters.ts'
import { type Contender, LOOK, type OpenContender, SOURCE_TABLE, type TargetTable, until } from './contender.ts'
import { type LagSample, measureLag } from './lag.ts'
import { serverSeconds } from './processor-time.ts'
import { BATCH_INSERTS, type LastRow, type Sizes, type Workload, workloadsOf } from './workload.ts'

/** All that one contender did in one turn. */
export interface Turn {
  /** By what was done: `initial copy` and each workload. */
  readonly measured: ReadonlyMap<string, Cost>
  readonly lag: LagSample
}

export const INITIAL_COPY = 'initial copy'

/**
 * Everything that is measured, by one contender, in fresh databases: the copy; each workload as a backlog, from the
 * moment the slot is read till the target has the last row; the lag. At the end the rows of both sides are compared.
 */
export async function runTurn(
  clusters: Clusters,
  name: string,
  open: OpenContender,
  sizes: Sizes,
  resources: AsyncDisposableStack,
  tell: (step: string) => void,
): Promise<Turn> {
  await using databases = await createDatabases(clusters, name)
  await using contender = await open(databases, resources)
  const measured = await runWorkloads(clusters, databases, contender, sizes.copied, workloadsOf(sizes), tell)

  tell('lag')
  const first = sizes.copied + sizes.batchInserts + sizes.singleRows + 1
  const lag = await measureLag(databases, contender, first, sizes.lagSeconds)
  tell('comparing')
  await assertEqual(databases, contender.table)
  return { measured, lag }
}

/** A copy and batch inserts alone, in fresh databases. */
export async function runShortTurn(
  clusters: Clusters,
  name: string,
  open: OpenContender,
  sizes: Sizes,
  resources: AsyncDisposableStack,
  tell: (step: string) => void,
): Promise<Pick<Turn, 'measured'>> {
  await using databases = await createDatabases(clusters, name)
  await using contender = await open(databases, resources)
  const workloads = workloadsOf(sizes).filter(({ what }) => what === BATCH_INSERTS)
  const measured = await runWorkloads(clusters, databases, contender, sizes.copied, workloads, tell)
  await assertEqual(databases, contender.table)
  return { measured }
}

/** The copy of `copied` rows, then each workload as a backlog. */
export async function runWorkloads(
  clusters: Clusters,
  databases: Databases,
  contender: Contender,
  copied: number,
  workloads: readonly Workload[],
  tell: (step: string) => void,
): Promise<Map<string, Cost>> {
  const measured = new Map<string, Cost>()
  tell(INITIAL_COPY)
  await checkpoint(databases)
  measured.set(INITIAL_COPY, await measure(clusters, contender, copied, () => contender.copy()))

  for (const { what, rows, write } of workloads) {
    tell(what)
    await contender.detach()
    const last = await write(databases.source)
    await checkpoint(databases)
    await contender.attach()
    measured.set(what, await measure(clusters, contender, rows, () => arrival(databases, contender, last)))
  }
  return measured
}

/** Does the work and measures it. What was used before is asked for while it begins, so that nothing waits for that. */
async function measure(
  clusters: Clusters,
  contender: Contender,
  rows: number,
  work: () => Promise<void>,
): Promise<Cost> {
  const snapshot = () => Promise.all([contender.usage(), serverSeconds([clusters.source, clusters.target])])
  const started = performance.now()
  const timed = work().then(() => (performance.now() - started) / 1_000)
  const [seconds, [nodeBefore, serverBefore]] = await Promise.all([timed, snapshot()])
  const [nodeAfter, serverAfter] = await snapshot()
  const per100k = (from: number | undefined | null, to: number | undefined | null) =>
    from == null || to == null ? null : ((to - from) / rows) * 100_000
  return {
    rowsPerSecond: rows / seconds,
    ownCpu: per100k(nodeBefore?.cpuSeconds, nodeAfter?.cpuSeconds),
    serverCpu: per100k(serverBefore, serverAfter),
    peakMemory: nodeAfter?.peakMemory ?? null,
  }
}

/** Resolves when the target shows the row as it was written last. Both contenders apply in the order of commits. */
async function arrival({ target }: Databases, contender: Contender, last: LastRow): Promise<void> {
  const { name, id, stock } = contender.table
  const look = { name: 'arrival', text: `SELECT FROM ${name} WHERE ${id} = $1 AND ${stock} = $2` }
  const condition = async () => {
    contender.assertWell()
    return (await target.query({ ...look, values: [last.id, last.stock] })).rowCount === 1
  }
  await until(`row ${last.id} arrives`, condition, LOOK)
}

/** Keeps checkpoints out of what is measured. */
async function checkpoint({ source, target }: Databases): Promise<void> {
  await Promise.all([source.query('CHECKPOINT'), target.query('CHECKPOINT')])
}

/** A copy that lost a row would be a fast one. */
async function assertEqual({ source, target }: Databases, table: TargetTable): Promise<void> {
  const digest = ({ name, values }: TargetTable) =>
    `SELECT count(*) AS rows, sum(hashtextextended(concat_ws('|', ${values}), 0)) AS digest FROM ${name}`
  const [ofSource, ofTarget] = await Promise.all([source.query(digest(SOURCE_TABLE)), target.query(digest(table))])
  const [wanted, got] = [JSON.stringify(ofSource.rows), JSON.stringify(ofTarget.rows)]
  if (wanted !== got) throw new Error(`${table.name} differs from the source: ${got}, not ${wanted}`)
}
