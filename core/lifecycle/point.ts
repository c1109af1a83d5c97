import { channel } from 'node:diagnostics_channel'

/** Where `passPoint` is told. Anybody may subscribe; without a subscriber passing a point costs one comparison. */
export const POINT_CHANNEL = 'ficus:point'

const points = channel(POINT_CHANNEL)

/**
 * Tells that the process passes a named point of its work. Nothing here reacts; a crash test, preloaded with `node
 * --import`, kills the process at the point that it wants (Node.js documentation, "Diagnostics Channel").
 */
export function passPoint(name: string): void {
  if (points.hasSubscribers) points.publish(name)
}
