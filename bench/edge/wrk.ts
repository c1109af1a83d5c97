import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What one run of wrk saw. */
export interface Sample {
  /** Requests a second. */
  readonly rate: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
}

/** Loads `url` over 32 keep-alive connections for some seconds. @throws when an answer was an error. */
export async function wrk(url: string, seconds: number, core: string): Promise<Sample> {
  const args = ['-c', core, 'wrk', '-t1', '-c32', `-d${seconds}s`, '--latency', '-H', 'Cookie: uid=user-17', url]
  const { stdout } = await run('taskset', args)
  const trouble = /Non-2xx.*|Socket errors.*/.exec(stdout)
  if (trouble !== null) throw new Error(`${url}: ${trouble[0]}`)
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]
  if (rate === undefined) throw new Error(`wrk printed no rate:\n${stdout}`)
  return { rate: Number(rate), p50: percentile(stdout, '50%'), p99: percentile(stdout, '99%') }
}

const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }

function percentile(stdout: string, name: string): number {
  const match = new RegExp(`^\\s+${name}\\s+([\\d.]+)(us|ms|s)$`, 'm').exec(stdout)
  if (match === null) throw new Error(`wrk printed no ${name}:\n${stdout}`)
  return Number(match[1]) * (UNITS[match[2] ?? 'ms'] ?? 1)
}
