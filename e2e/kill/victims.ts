import type { Direction } from '@ficus/cdc/mapping/flow'
import { SYNC_POINTS, type SyncPoint } from '@ficus/cdc/pipeline/points'

/** The servers that sync lives between. */
export type ServerName = 'source' | 'target' | 'kafka' | 'connect'

/** Who dies in a round: sync at a named point, the `pass`th time that it gets there, or somebody `afterMs` of a round. */
export type Victim =
  | { readonly kind: 'sync at point'; readonly point: SyncPoint; readonly pass: number }
  | { readonly kind: 'sync'; readonly afterMs: number }
  | { readonly kind: 'server'; readonly server: ServerName; readonly afterMs: number }

/** One life to be taken. While rows are copied, read beside the stream (`add`), or stream is another matter. */
export interface Round {
  readonly during: 'copy' | 'drop' | 'add' | 'stream'
  readonly victim: Victim
}

/** Those of one part of sync: what is named there is dealt. */
const pointsOf = (part: 'copy' | 'added' | 'apply' | 'drop'): readonly SyncPoint[] =>
  SYNC_POINTS.filter(point => point.startsWith(`${part}.`))

/**
 * A quarter of the rounds dies while it copies, so that 50 have each card of that deck, and a fifth while a table is added, as
 * long as it has other ways to die.
 */
const COPY_SHARE = 0.26
const ADD_SHARE = 0.2

/**
 * The rounds of a campaign, copies first, then additions; in reverse, where nothing is ever copied, they all die while rows
 * stream. Each kind of death comes up before any comes up again.
 * @param random 0 to 1, exclusive; the same series gives the same rounds.
 * @param servers those that there are.
 */
export function planRounds(
  count: number,
  servers: readonly ServerName[],
  random: () => number,
  direction: Direction = 'forward',
): Round[] {
  const upTo = (limit: number) => Math.floor(random() * limit)
  const copyDeck = (): Round[] => [
    ...pointsOf('copy').map(point => ({
      during: 'copy' as const,
      victim: { kind: 'sync at point' as const, point, pass: point === 'copy.range' ? 1 + upTo(2) : 1 },
    })),
    ...servers.map(server => ({
      during: 'copy' as const,
      victim: { kind: 'server' as const, server, afterMs: upTo(600) },
    })),
    ...pointsOf('drop').map(point => ({
      during: 'drop' as const,
      victim: { kind: 'sync at point' as const, point, pass: 1 },
    })),
  ]
  const streamDeck = (): Round[] => [
    ...pointsOf('apply').map(point => ({
      during: 'stream' as const,
      victim: { kind: 'sync at point' as const, point, pass: 1 + upTo(30) },
    })),
    { during: 'stream', victim: { kind: 'sync', afterMs: upTo(1_500) } },
    ...servers.map(server => ({
      during: 'stream' as const,
      victim: { kind: 'server' as const, server, afterMs: upTo(800) },
    })),
  ]
  if (direction === 'reverse') return deal(count, streamDeck, random)
  // The table is new once only; after that its mapping changes, and its rows are read anew.
  const adds: Round[] = [
    ...pointsOf('added').map(point => ({
      during: 'add' as const,
      victim: { kind: 'sync at point' as const, point, pass: point === 'added.chunk' ? 1 + upTo(10) : 1 },
    })),
    ...servers.map(server => ({
      during: 'add' as const,
      victim: { kind: 'server' as const, server, afterMs: upTo(600) },
    })),
  ]
  const copies = deal(Math.floor(count * COPY_SHARE), copyDeck, random)
  const added = adds.slice(0, Math.floor(count * ADD_SHARE))
  return [...copies, ...added, ...deal(count - copies.length - added.length, streamDeck, random)]
}

/** Cards from shuffled decks, one deck after the other. */
function deal(count: number, deck: () => Round[], random: () => number): Round[] {
  const cards: Round[] = []
  while (cards.length < count) cards.push(...shuffled(deck(), random))
  return cards.slice(0, count)
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items]
  const dealt: T[] = []
  while (left.length > 0) dealt.push(...left.splice(Math.floor(random() * left.length), 1))
  return dealt
}

/** As the log shows it: `sync at apply.merged, pass 3`. */
export function describeVictim(victim: Victim): string {
  if (victim.kind === 'sync at point') return `sync at ${victim.point}, pass ${victim.pass}`
  return `${victim.kind === 'sync' ? 'sync' : victim.server} after ${victim.afterMs} ms`
}

/** How often each death was died, by name: `stream  sync at apply.merged` whatever the pass or the time. */
export function countDeaths(rounds: readonly Round[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { during, victim } of rounds) {
    const who =
      victim.kind === 'sync at point' ? `sync at ${victim.point}` : victim.kind === 'sync' ? 'sync' : victim.server
    const death = `${during.padEnd(6)}  ${who}`
    counts.set(death, (counts.get(death) ?? 0) + 1)
  }
  return new Map([...counts].sort())
}
