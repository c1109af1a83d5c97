import { FicusError } from '@ficus/core/errors/ficus-error'
import { quoteTable, type TableName } from '@ficus/core/sql/identifier'
import type { Client } from 'pg'
import type { Endpoint } from '../../database/session.ts'
import type { ChangeSourceOptions } from '../change-source.ts'
import { lsnToNumber, type Position } from '../position.ts'
import { readHeldSlot, slotLost } from '../slot-state.ts'
import { readWireTypes, type WireType } from './wire-types.ts'

/** What has to be known of the source before its stream is read. */
export interface StreamStart {
  readonly types: ReadonlyMap<number, WireType>
  /** The tables that are read, by OID: what was written before a rename comes under the old name. */
  readonly tables: ReadonlyMap<number, TableName>
  /** How often the server is told where we stand, ms. */
  readonly statusMs: number
  /** After so long without a sign of life the connection is taken for dead, ms. */
  readonly silenceMs: number
}

/** How often the server hears of us at least; a quarter of its wal_sender_timeout where that is less. */
const STATUS_INTERVAL_MS = 5_000
/** PostgreSQL's own, for servers that have it switched off. */
const DEFAULT_TIMEOUT_MS = 60_000

/**
 * Sees to it that the slot still holds everything after `from`, and is free.
 * @throws FICUS_SLOT_LOST, FICUS_DATABASE_BUSY.
 */
export async function readStreamStart(
  client: Client,
  { source, slot, tables, tablesByOid }: ChangeSourceOptions,
  from: Position,
): Promise<StreamStart> {
  const { confirmedFlushLsn: confirmed, activePid } = await readHeldSlot(client, source, slot)
  // The server starts a stream no earlier than this, whatever it is asked for, and says nothing of what it leaves out.
  if (confirmed !== null && lsnToNumber(confirmed) > lsnToNumber(from.lsn)) {
    throw slotLost(
      source,
      slot,
      `it begins at ${confirmed}, and the target stands before that, at ${from.lsn}: was the target set back to an earlier time?`,
    )
  }
  if (activePid !== null) throw slotBusy(source, slot, `backend ${activePid} reads it`)
  const timeoutMs = await senderTimeout(client)
  return {
    types: await readWireTypes(client),
    tables: await readOids(client, tables, tablesByOid?.() ?? new Map()),
    statusMs: timeoutMs === 0 ? STATUS_INTERVAL_MS : Math.min(STATUS_INTERVAL_MS, timeoutMs / 4),
    silenceMs: 2 * (timeoutMs === 0 ? DEFAULT_TIMEOUT_MS : timeoutMs),
  }
}

/** No other worker has it, for they take turns at the target; but the server may not have noticed yet that one is gone. */
export function slotBusy(source: Endpoint, slot: string, why: string): FicusError {
  return new FicusError('FICUS_DATABASE_BUSY', `slot ${slot} of ${source.name} is in use: ${why}`, {
    remedy:
      'pg_stat_replication there says who reads it. A reader that died is dropped after wal_sender_timeout; any other has to be ended.',
  })
}

/** A server that hears nothing for wal_sender_timeout ends the connection; 0 is never. */
async function senderTimeout(client: Client): Promise<number> {
  const { rows } = await client.query<{ timeout: number }>(
    `SELECT setting::int AS timeout FROM pg_settings WHERE name = 'wal_sender_timeout'`,
  )
  return rows[0]?.timeout ?? 0
}

/** @param known those of which it is known which table was meant, whatever has its name by now. */
async function readOids(
  client: Client,
  tables: readonly TableName[],
  known: ReadonlyMap<number, TableName>,
): Promise<ReadonlyMap<number, TableName>> {
  const names = new Set([...known.values()].map(quoteTable))
  const others = tables.filter(table => !names.has(quoteTable(table)))
  const { rows } = await client.query<{ oid: string | null }>(
    'SELECT to_regclass(name)::oid::int8::text AS oid FROM unnest($1::text[]) WITH ORDINALITY AS t (name, at) ORDER BY at',
    [others.map(quoteTable)],
  )
  const found = others.flatMap((table, index): [number, TableName][] => {
    const oid = rows[index]?.oid ?? null
    return oid === null ? [] : [[Number(oid), table]]
  })
  return new Map([...known, ...found])
}
