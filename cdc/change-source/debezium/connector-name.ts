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
 * The name of a connector, of its topics and of its offsets in Kafka Connect. It ends with where the slot's stream
 * begins: each first copy makes a new slot, and must not go on from what an earlier one left in Kafka. Once the target
 * has read from the topics, its position tells the name.
 */
export function connectorName(
  topicPrefix: string,
  options: Pick<ChangeSourceOptions, 'capability' | 'direction'>,
  from: Position,
): string {
  const [stored] = Object.keys(from.offsets ?? {})
  if (stored !== undefined) return NAME.exec(stored)?.[0] ?? topicOf(stored)
  return `${connectorPrefix(topicPrefix, options)}${from.lsn.replace('/', '-')}`
}

/** A connector's name, with which the names of all its topics begin. */
const NAME = /^.*?\.(?:forward|reverse)\.[0-9A-F]+-[0-9A-F]+(?=[.:])/

/** A partition as a position names it: `topic:0`. */
export function partitionKey(topic: string, partition = 0): string {
  return `${topic}:${partition}`
}

/** The topic of a partition's key. */
export function topicOf(partition: string): string {
  return partition.slice(0, partition.lastIndexOf(':'))
}

/** The number of a partition's key. */
export function numberOf(partition: string): number {
  return Number(partition.slice(partition.lastIndexOf(':') + 1))
}
