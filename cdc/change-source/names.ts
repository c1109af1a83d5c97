import { createHash } from 'node:crypto'
import type { Direction } from '../mapping/flow.ts'

/** Whose names are meant. */
export interface NameKey {
  readonly capability: string
  readonly direction: Direction
  /**
   * The id of the ledger that the migration lives in (core/ledger): it tells two migrations apart that carry a
   * capability of the same name out of one database, and stays the same whatever address leads to either side.
   */
  readonly ledger: string
}

/**
 * The name of a capability's slot and publication. Slots belong to a whole server, so the name tells the database too.
 * The two directions never share one. At most 63 characters: a capability's name has 40 at most.
 */
export function slotName(key: NameKey, sourceUrl: string): string {
  return nameAt(key, sourceUrl)
}

/** The replication origin that marks what sync wrote to the target, so that it is never sent back. */
export function originName(key: NameKey, targetUrl: string): string {
  return nameAt(key, targetUrl)
}

/** A slot's name may hold no dash, so the hash covers the capability as it is spelled: `a-b` and `a_b` are two. */
function nameAt({ capability, direction, ledger }: NameKey, url: string): string {
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  const hash = createHash('sha256')
    .update(JSON.stringify([capability, database, ledger]))
    .digest('hex')
    .slice(0, 8)
  return `ficus_${capability.replaceAll('-', '_')}_${direction}_${hash}`
}
