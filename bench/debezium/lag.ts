import { setTimeout as sleep } from 'node:timers/promises'
import { type Percentiles, percentiles } from '@ficus/control/load/percentile'
import { sql } from '../sync/clusters.ts'
import { type Commit, type Look, lagsOf } from '../sync/lag.ts'
import { writeProducts } from '../sync/workload.ts'
import { Ficus } from './ficus.ts'
import { createDatabase, type Servers } from './servers.ts'

/** Before what counts: the code of three processes becomes warm, connections open. */
export const WARM_UP_SECONDS = 5

/** Writes single-row transactions at the source and looks at the target all the while; see bench/sync/lag.ts. Ms. */
export async function measureLag(
  servers: Servers,
  round: number,
  perSecond: number,
  seconds: number,
): Promise<Percentiles> {
  await using resources = new AsyncDisposableStack()
  const schema = await sql('source.sql')
  const source = await createDatabase(servers.source, `lag_source_${round}`, schema, resources)
  const target = await createDatabase(servers.target, `lag_target_${round}`, schema, resources)
  const ficus = new Ficus(servers, source.url, target.url)
  await ficus.start()
  resources.defer(() => ficus.drop())

  const last = (WARM_UP_SECONDS + seconds) * perSecond
  const looks: Look[] = []
  const written = writeProducts(source.client, 1, last, 1, perSecond)
  const look = `SELECT coalesce(max(id), 0)::float8 AS newest, extract(epoch FROM clock_timestamp())::float8 * 1000 AS at FROM products`
  const deadline = performance.now() + (seconds + 60) * 1_000
  while ((looks.at(-1)?.newest ?? 0) < last) {
    ficus.assertWell()
    if (performance.now() > deadline) throw new Error(`the target has ${looks.at(-1)?.newest} of ${last} rows`)
    looks.push(...(await target.client.query<Look>(look)).rows)
    await sleep(1)
  }
  await written
  const { rows: commits } = await source.client.query<Commit>(
    `SELECT id::float8 AS id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 * 1000 AS at
     FROM products WHERE id > $1 ORDER BY id`,
    [WARM_UP_SECONDS * perSecond],
  )
  return percentiles(lagsOf(commits, looks))
}
