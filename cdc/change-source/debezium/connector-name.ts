import type { ChangeSourceOptions } from '../change-source.ts'
import type { Position } from '../position.ts'

/** What every connector of a capability's direction begins with: `ficus.accounts.forward.`. */
export function connectorPrefix(
  topicPrefix: string,
  { capability, direction }: Pick<ChangeSourceOptions, 'capability' | 'direction'>,
): string {
  return `${topicPrefix}.${capability}.${direction}.`
}

/**
 * The name of a connector, of its topic and of its offsets in Kafka Connect. It ends with where the slot's stream
 * begins: each first copy makes a new slot, and must not go on from what an earlier one left in Kafka. Once the target
 * has read from the topic, its position tells the name.
 */
export function connectorName(
  topicPrefix: string,
  options: Pick<ChangeSourceOptions, 'capability' | 'direction'>,
  from: Position,
): string {
  const [stored] = Object.keys(from.offsets ?? {})
  if (stored !== undefined) return stored.slice(0, stored.lastIndexOf(':'))
  return `${connectorPrefix(topicPrefix, options)}${from.lsn.replace('/', '-')}`
}

/** Where in `topic` the target's position says to go on, or null where nothing of it was read yet. */
export function storedOffset(topic: string, from: Position): bigint | null {
  const stored = from.offsets?.[partitionKey(topic)]
  return stored === undefined ? null : BigInt(stored)
}

/** The topic's only partition, as a position names it. */
export function partitionKey(topic: string): string {
  return `${topic}:0`
}
