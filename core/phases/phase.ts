/** The phases of a capability on its way out, in order. */
export const PHASES = ['legacy', 'syncing', 'shadowing', 'canary', 'extracted', 'retired'] as const
export type Phase = (typeof PHASES)[number]

/** The two sides between which a capability moves. */
export const SIDES = ['monolith', 'service'] as const
export type Side = (typeof SIDES)[number]

/** What a phase allows. Dials move within this and never past it (invariant 6). */
export interface PhaseRules {
  /** Whose database accepts the capability's writes. */
  readonly owner: Side
  /** Where reads go: all to one side, or a share of them to the service. */
  readonly reads: 'monolith' | 'dial' | 'service'
  /** Whether a share of the reads is mirrored to the service and compared. */
  readonly shadow: boolean
  /** In which direction rows flow. */
  readonly sync: 'none' | 'forward' | 'reverse'
  /** The phase that one step back leads to, or null where there is no way back. */
  readonly back: Phase | null
  /** The phase that one step forward leads to. */
  readonly next: Phase | null
}

/** The phase machine, total: each phase says all of it. */
export const PHASE_RULES: Readonly<Record<Phase, PhaseRules>> = {
  legacy: { owner: 'monolith', reads: 'monolith', shadow: false, sync: 'none', back: null, next: 'syncing' },
  syncing: { owner: 'monolith', reads: 'monolith', shadow: false, sync: 'forward', back: 'legacy', next: 'shadowing' },
  shadowing: { owner: 'monolith', reads: 'monolith', shadow: true, sync: 'forward', back: 'syncing', next: 'canary' },
  canary: { owner: 'monolith', reads: 'dial', shadow: true, sync: 'forward', back: 'shadowing', next: 'extracted' },
  extracted: { owner: 'service', reads: 'service', shadow: false, sync: 'reverse', back: 'canary', next: 'retired' },
  retired: { owner: 'service', reads: 'service', shadow: false, sync: 'none', back: null, next: null },
}

/** What a wish to go from one phase to another comes to. */
export type Move =
  | { readonly kind: 'none' }
  | { readonly kind: 'forward'; readonly path: readonly [Phase] }
  /** `path` holds every phase that is passed on the way, the last one included. */
  | { readonly kind: 'back'; readonly path: readonly Phase[] }
  | { readonly kind: 'refused'; readonly why: string }

/** Judges the wish to go from `from` to `to`: one step forward, or as many back as there is a way. */
export function judgeMove(from: Phase, to: Phase): Move {
  if (from === to) return { kind: 'none' }
  if (PHASE_RULES[from].next === to) return { kind: 'forward', path: [to] }
  const ahead = PHASES.indexOf(to) > PHASES.indexOf(from)
  if (ahead) return { kind: 'refused', why: `the phase after ${from} is ${PHASE_RULES[from].next}, not ${to}` }
  const path: Phase[] = []
  for (let at = PHASE_RULES[from].back; at !== null; at = PHASE_RULES[at].back) {
    path.push(at)
    if (at === to) return { kind: 'back', path }
  }
  return { kind: 'refused', why: `there is no way back from ${from}` }
}
