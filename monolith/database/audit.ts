import type { Knex } from 'knex'

/** Notes who did what, in the transaction that does it. `actor` is an e-mail address or `api-key`. */
export async function audit(
  db: Knex,
  actor: string,
  action: string,
  entity: string,
  entityId: string | number,
  details: Record<string, unknown> = {},
): Promise<void> {
  await db('audit_log').insert({ actor, action, entity, entity_id: String(entityId), details })
}
