import { connect } from '@ficus/core/ledger/connection'
import type { Client } from 'pg'
import { checkMapping, type MappingReport } from '../mapping/check-mapping.ts'
import type { SyncInput } from '../mapping/define-sync.ts'
import type { Direction } from '../mapping/flow.ts'
import { parseSync } from '../mapping/parse-sync.ts'
import type { TestDatabase } from './sync-harness.ts'

/** Two databases and a session with each, which mappings are checked against; a check leaves nothing behind. */
export interface MappingSides extends AsyncDisposable {
  check(sync: SyncInput, direction?: Direction): Promise<MappingReport>
}

export async function openSides(
  createDatabase: (prefix: string) => Promise<TestDatabase>,
  sourceSql: string,
  targetSql: string,
): Promise<MappingSides> {
  const resources = new AsyncDisposableStack()
  const side = async (name: string, sql: string): Promise<Client> => {
    const database = resources.use(await createDatabase(name))
    const client = await connect(database.url, `the ${name}`)
    resources.defer(() => client.end())
    await client.query(sql)
    return client
  }
  const [monolith, service] = [await side('source', sourceSql), await side('target', targetSql)]
  return {
    check: (sync, direction = 'forward') => {
      const [from, to] = direction === 'forward' ? [monolith, service] : [service, monolith]
      return checkMapping(from, to, parseSync(sync), direction)
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
