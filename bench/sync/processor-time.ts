import { readdir, readFile } from 'node:fs/promises'

/** Ticks in a second, of the times in /proc: 100 on every Linux. */
const TICKS = 100

/**
 * What these servers' processes used so far, those that have ended included, in seconds; null where there is no /proc.
 * Unlike rows in a second it hardly depends on what else the machine does.
 */
export async function serverSeconds(servers: readonly { readonly pid: number }[]): Promise<number | null> {
  const pids = (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const all = (await Promise.all(pids.map(readTimes))).filter(times => times !== null)
  if (all.length === 0) return null
  const roots = new Set(servers.map(({ pid }) => pid))
  const ticks = all.map(({ pid, parent, own, ofEnded }) =>
    roots.has(pid) ? own + ofEnded : roots.has(parent) ? own : 0,
  )
  return ticks.reduce((sum, value) => sum + value, 0) / TICKS
}

/** The high-water mark of a process's resident size (proc(5), `VmHWM`), bytes. Not every system has it. */
export async function peakMemory({ pid }: { readonly pid: number }): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
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
