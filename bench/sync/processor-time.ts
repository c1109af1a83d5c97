import { readdir, readFile } from 'node:fs/promises'
import type { Clusters } from './clusters.ts'

/** Ticks in a second, of the times in /proc: 100 on every Linux. */
const TICKS = 100

/**
 * What both clusters' processes used so far, those that have ended included, in seconds; null where there is no /proc.
 * Unlike rows in a second it hardly depends on what else the machine does.
 */
export async function serverSeconds({ source, target }: Clusters): Promise<number | null> {
  const pids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const all = (await Promise.all(pids.map(readTimes))).filter(times => times !== null)
  if (all.length === 0) return null
  const postmasters = new Set([source.pid, target.pid])
  const ticks = all.map(({ pid, parent, own, ofEnded }) =>
    postmasters.has(pid) ? own + ofEnded : postmasters.has(parent) ? own : 0,
  )
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS
}

interface Times {
  readonly pid: number
  readonly parent: number
  /** User and system, ticks. */
  readonly own: number
  /** Of children that have ended, ticks. */
  readonly ofEnded: number
}

/** Reads `/proc/PID/stat` (proc(5)); the fields count from behind the command's name, which may hold anything. */
async function readTimes(pid: string): Promise<Times | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number)
  const [parent, user = 0, system = 0, endedUser = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map(at => fields[at])
  if (parent === undefined) return null
  return { pid: Number(pid), parent, own: user + system, ofEnded: endedUser + endedSystem }
}
