import type { Direction } from '@ficus/cdc/mapping/flow'
import { PHASE_RULES } from '@ficus/core/phases/phase'
import type { Control } from '../control.ts'

/** The direction in which the capability's phase carries rows: forward where it carries none. */
export async function directionOf({ ledger }: Control, capability: string): Promise<Direction> {
  const { phase } = await ledger.capability(capability)
  return PHASE_RULES[phase].sync === 'reverse' ? 'reverse' : 'forward'
}
