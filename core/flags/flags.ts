import murmurhash3js from 'murmurhash3js'
import type { Part } from '../lifecycle/part.ts'

/** The three dials of a capability, which are flags of the flag server. */
export interface FlagNames {
  /** The share of users whose reads the service answers. */
  readonly read: string
  /** The share of reads that are mirrored to the service. */
  readonly shadow: string
  /** The share of users whose writes go to the owner's new side, once that is allowed. */
  readonly write: string
}

export function flagNames(capability: string): FlagNames {
  return {
    read: `ficus.${capability}.read`,
    shadow: `ficus.${capability}.shadow`,
    write: `ficus.${capability}.write`,
  }
}

/** What a flag source knows of itself. */
export interface FlagsState {
  readonly provider: 'unleash' | 'file'
  /** When the flags were last read whole; null before the first time, when every dial stands at 0. */
  readonly synchronizedAt: Date | null
  /** The last failure, until the flags were read again. The last dials known stay in force (invariant 12). */
  readonly error: { readonly code: string; readonly message: string } | null
}

/** Reads the dials. Evaluation is synchronous and never fails: an unknown flag is off. */
export interface Flags extends Part {
  /** Whether `flag` is on for the user with this sticky key: the same key always gets the same answer at the same rollout. */
  isEnabled(flag: string, key: string): boolean
  state(): FlagsState
}

/** Sets the dials. Every method throws FICUS_FLAGS_UNREACHABLE, FICUS_FLAGS_REFUSED or FICUS_FLAGS_INVALID. */
export interface FlagAdmin {
  /** The rollout of each flag in percent; null where the flag does not exist. */
  read(flags: readonly string[]): Promise<ReadonlyMap<string, number | null>>
  /** Sets rollouts, 0 to 100 whole percent, creating flags that are missing. All are set, or the error names those that were. */
  set(rollouts: ReadonlyMap<string, number>): Promise<void>
}

/**
 * Whether a rollout of `percent` reaches `key`, by Unleash's gradual rollout: murmur3 (x86, 32 bit) of
 * `<group>:<key>`, modulo 100, plus 1, at most the percentage. The flag's name is the group.
 */
export function inRollout(flag: string, key: string, percent: number): boolean {
  return (murmurhash3js.x86.hash32(`${flag}:${key}`) % 100) + 1 <= percent
}
