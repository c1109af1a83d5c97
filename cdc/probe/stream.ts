import { randomUUID } from 'node:crypto'
import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import { quoteIdentifier } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import { DATA_HEADER, readPgOutput, rowKind, STREAM_TAG } from '../change-source/postgres/pgoutput.ts'
import { ReplicationStream } from '../change-source/postgres/replication-stream.ts'
import { createPublication, slotFailure } from '../change-source/slot.ts'
import { type Endpoint, endSession, openReplicationSession, withSession } from '../database/session.ts'
import { flowsOf, type Sync, sourceTables } from '../mapping/flow.ts'
import { type ProbeFinding, problem, undecided } from './finding.ts'

const PREFIX = 'ficus.probe'
const SLOT_LOCK_TIMEOUT_MS = 10_000
const PATIENCE_MS = 15_000

/**
 * Proves that the service's changes can be followed: a publication of its tables, a temporary slot, and one logical
 * message that is written there and read back from the stream. Publication and slot are gone afterwards.
 */
export async function probeStream(service: Endpoint, sync: Sync): Promise<ProbeFinding[]> {
  const name = `ficus_probe_${randomUUID().replaceAll('-', '').slice(0, 12)}`
  const tables = sourceTables(flowsOf(sync, 'reverse'))
  if (tables.length === 0) return []
  let replication: Client | undefined
  try {
    await withSession(service, async client => {
      await removeLeftOver(client)
      // Inserts alone: updates of a table without a replica identity would be refused as long as the publication is there.
      await createPublication(client, service, name, tables, 'insert')
    })
    replication = await openReplicationSession(service)
    await createTemporarySlot(replication, service, name)
    await messageComesBack(replication, service, name)
    return []
  } catch (error) {
    // Whatever is in the way has its remedy; a database that is away says nothing about reverse.
    if (!(error instanceof FicusError) || error.code === 'FICUS_DATABASE_REFUSED') throw error
    if (error.code === 'FICUS_DATABASE_UNREACHABLE' && !/slot/.test(error.message)) throw error
    const judge = error.retry ? undecided : problem
    return [judge('stream', service.name, error.message, error.remedy)]
  } finally {
    await endSession(replication)
    await withSession(service, client => client.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`)).catch(
      () => {},
    )
  }
}

/** Of a probe that was killed; its slot went with its session. One that is under way now loses nothing but its probe. */
async function removeLeftOver(client: Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT pubname AS name FROM pg_publication WHERE pubname LIKE 'ficus\\_probe\\_%' AND pg_has_role(pubowner, 'USAGE')
     AND NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = pubname)`,
  )
  for (const { name } of rows) await client.query(`DROP PUBLICATION IF EXISTS ${quoteIdentifier(name)}`)
}

async function createTemporarySlot(replication: Client, service: Endpoint, name: string): Promise<void> {
  try {
    await replication.query(`SET lock_timeout = ${SLOT_LOCK_TIMEOUT_MS}`)
    await replication.query(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`,
    )
  } catch (error) {
    throw await slotFailure(error, service, name)
  }
}

async function messageComesBack(replication: Client, service: Endpoint, name: string): Promise<void> {
  const content = randomUUID()
  const back = Promise.withResolvers<void>()
  const timer = setTimeout(
    () => back.reject(lost(service, `did not come back within ${PATIENCE_MS / 1000} s`)),
    PATIENCE_MS,
  )
  const plugin = `proto_version '2', publication_names '${quoteIdentifier(name)}', messages 'true'`
  ReplicationStream.start(replication, `START_REPLICATION SLOT ${quoteIdentifier(name)} LOGICAL 0/0 (${plugin})`, {
    data: (bytes, start, end) => {
      if (bytes[start] !== STREAM_TAG.DATA || rowKind(bytes, start + DATA_HEADER) !== null) return
      const message = readPgOutput(bytes.subarray(start + DATA_HEADER, end))
      if (message.tag === 'message' && message.prefix === PREFIX && message.content === content) back.resolve()
    },
    ended: error => back.reject(lost(service, `the stream ended: ${messageOf(error)}`, error)),
  })
  try {
    await withSession(service, client =>
      client.query('SELECT pg_logical_emit_message(true, $1, $2)', [PREFIX, content]),
    )
    await back.promise
  } finally {
    clearTimeout(timer)
    back.promise.catch(() => {})
  }
}

function lost(service: Endpoint, why: string, cause?: unknown): FicusError {
  return new FicusError('FICUS_DATABASE_UNFIT', `a logical message written to ${service.name}: ${why}`, {
    cause,
    remedy:
      'Look at the server’s log, at its wal_sender_timeout and at proxies between; replication needs a direct connection.',
  })
}
