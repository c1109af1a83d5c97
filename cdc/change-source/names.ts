import { createHash } from 'node:crypto'
import type { Direction } from '../mapping/flow.ts'

/**
 * The name of a capability's slot and publication. Slots belong to a whole server, so the name tells the database too.
 * The two directions never share one. At most 63 characters: a capability's name has 40 at most.
 */
export function slotName(capability: string, direction: Direction, sourceUrl: string): string {
  return nameAt(capability, direction, sourceUrl)
}

/** The replication origin that marks what sync wrote to the target, so that it is never sent back. */
export function originName(capability: string, direction: Direction, targetUrl: string): string {
  return nameAt(capability, direction, targetUrl)
}

/** A slot's name may hold no dash, so the hash covers the capability as it is spelled: `a-b` and `a_b` are two. */
function nameAt(capability: string, direction: Direction, url: string): string {
  const database = decodeURIComponent(new URL(url).pathname.slice(1))
  const hash = createHash('sha256')
    .update(JSON.stringify([capability, database]))
    .digest('hex')
    .slice(0, 8)
  return `ficus_${capability.replaceAll('-', '_')}_${direction}_${hash}`
}
