import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { PHASES, type Phase, SIDES, type Side } from '@ficus/core/phases/phase'

/** What the edge acts on for one capability. */
export interface CapabilityRouting {
  readonly phase: Phase
  readonly owner: Side
  readonly epoch: number
}

export type RoutingSnapshot = ReadonlyMap<string, CapabilityRouting>

/**
 * Writes the last state for a start without the ledger, so that a reader finds the old file or the new, whole. It is
 * written when something moved, which is rare and small, and before the move is acted on.
 */
export function writeStateFile(file: string, snapshot: RoutingSnapshot): void {
  mkdirSync(dirname(file), { recursive: true })
  const neighbour = `${file}.${process.pid}`
  writeFileSync(neighbour, JSON.stringify(Object.fromEntries(snapshot), null, 2), { flush: true })
  renameSync(neighbour, file)
}

/** The state kept at `file`; null where there is none. @throws SyntaxError where it holds something else. */
export function readStateFile(file: string): RoutingSnapshot | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return null
  }
  const kept: unknown = JSON.parse(text)
  const entries = typeof kept === 'object' && kept !== null ? Object.entries(kept) : []
  return new Map(
    entries.map(([name, value]) => {
      if (!isRouting(value)) throw new SyntaxError(`${name} has no phase, owner and epoch`)
      return [name, value]
    }),
  )
}

function isRouting(value: unknown): value is CapabilityRouting {
  if (typeof value !== 'object' || value === null) return false
  const { phase, owner, epoch } = value as Partial<Record<keyof CapabilityRouting, unknown>>
  return PHASES.some(known => known === phase) && SIDES.some(known => known === owner) && typeof epoch === 'number'
}
