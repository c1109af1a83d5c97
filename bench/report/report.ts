import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { table } from '@ficus/core/terminal/table'

/** One comparison: ours beside a peer's, measured in alternating rounds of one run. */
export interface BenchRow {
  readonly what: string
  readonly unit: string
  readonly ours: number
  readonly beside: string
  readonly theirs: number
  /** ours / theirs, the median over the rounds. */
  readonly ratio: number
  /** As DESIGN.md writes it: `>= 1.7`, `<= 1.05`, or null where there is none. */
  readonly target: string | null
  readonly met: boolean | null
}

/** What every bench script takes. */
export interface BenchOptions {
  readonly quick: boolean
  readonly rounds: number
  readonly json: string | undefined
  /** What a script takes besides; see its --help. */
  readonly engine: string | undefined
  readonly scale: boolean
  readonly rows: number | undefined
  readonly planted: boolean
  readonly only: string | undefined
}

const OWN = ['engine', 'scale', 'rows', 'planted', 'only'] as const

/** What one script takes besides. */
export interface OwnOptions {
  /** For the line of the usage, such as `[--rows N]`. */
  readonly usage: string
  /** A line each, aligned as in the common ones. */
  readonly help: string
  readonly names: readonly (typeof OWN)[number][]
  /** What ends with 1 besides. */
  readonly fails?: string
  readonly example?: string
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  rounds: { type: 'string' },
  json: { type: 'string' },
  engine: { type: 'string' },
  scale: { type: 'boolean', default: false },
  rows: { type: 'string' },
  planted: { type: 'boolean', default: false },
  only: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

/** The help of a script. */
export function benchHelp(script: string, purpose: string, own?: OwnOptions): string {
  return `${purpose}

Usage: npm run ${script} -- [--quick] [--rounds N] [--json FILE]${own === undefined ? '' : ` ${own.usage}`}
  --quick      less work and one round, for a glance: too little to judge a ratio by
  --rounds N   alternating rounds (default 5; 1 with --quick)
  --json FILE  write {"rows": [...]} as well${own === undefined ? '' : `\n${own.help}`}

Exits 0 when it has measured, also where a target is not met; 1 when it could not${own?.fails === undefined ? '' : `, or ${own.fails}`};
2 on wrong usage, 130 on Ctrl-C.

Example: npm run ${script} -- ${own?.example ?? '--quick --json result.json'}`
}

/** Reads the command line; prints the help and ends the process where it is asked for or the usage is wrong. */
export function benchOptions(script: string, purpose: string, own?: OwnOptions): BenchOptions {
  const help = benchHelp(script, purpose, own)
  try {
    const { values } = parseArgs({ options: OPTIONS })
    if (values.help) {
      console.log(help)
      process.exit(0)
    }
    const foreign = OWN.find(name => values[name] !== undefined && values[name] !== false && !own?.names.includes(name))
    if (foreign !== undefined) throw new Error(`${script} takes no --${foreign}`)
    const rounds = values.rounds === undefined ? (values.quick ? 1 : 5) : Number(values.rounds)
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number from 1 on')
    const rows = values.rows === undefined ? undefined : Number(values.rows)
    if (rows !== undefined && !(Number.isInteger(rows) && rows >= 1_000)) {
      throw new Error('--rows takes a whole number from 1000 on')
    }
    const { quick, json, engine, scale, planted, only } = values
    return { quick, rounds, json, engine, scale, rows, planted, only }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    process.exit(2)
  }
}

/** The middle of the values. @throws on none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)]
  if (middle === undefined) throw new RangeError('the median of no values')
  return sorted.length % 2 === 1 ? middle : (middle + (sorted[sorted.length / 2 - 1] ?? middle)) / 2
}

/** Makes a row of the rounds of both: medians, the median of the rounds' ratios, and whether the target is met. */
export function compareRounds(
  what: string,
  unit: string,
  ours: readonly number[],
  beside: string,
  theirs: readonly number[],
  target: string | null,
): BenchRow {
  const ratio = median(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)))
  const limit = target === null ? null : /^(>=|<=) ([\d.]+)$/.exec(target)
  const met = limit === null ? null : limit[1] === '>=' ? ratio >= Number(limit[2]) : ratio <= Number(limit[2])
  return { what, unit, ours: median(ours), beside, theirs: median(theirs), ratio, target, met }
}

/** One line over itself on a terminal; a line each where the output goes to a file. An empty text clears it. */
export function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else if (text !== '') process.stderr.write(`${text}\n`)
}

/** Prints the table and writes the JSON where it was asked for. */
export async function printRows(rows: readonly BenchRow[], json: string | undefined): Promise<void> {
  console.log(table(HEAD, rows.map(shown)))
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ rows }, null, 2)}\n`)
}

const HEAD = ['what', 'unit', 'ours', 'beside', 'theirs', 'ratio', 'target', 'met']

function shown({ what, unit, ours, beside, theirs, ratio, target, met }: BenchRow): string[] {
  const figure = (value: number) => (value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3))
  const verdict = met === null ? '' : met ? 'yes' : 'NO'
  return [what, unit, figure(ours), beside, figure(theirs), `${ratio.toFixed(2)}x`, target ?? '', verdict]
}
