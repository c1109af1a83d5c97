import { FicusError } from '@ficus/core/errors/ficus-error'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Control } from '../control.ts'
import { type ComparedData, compareData, type DataDiff, repairData, usualLimits } from '../joint/diff.ts'
import { renderDiff } from '../status/render-diff.ts'
import { toFicusError } from '../terminal/report-error.ts'
import { plural } from '../terminal/words.ts'
import { Interrupted, type Session } from './command.ts'

/** What `ficus verify` takes about rows. */
export interface VerifyDataOptions {
  readonly mode: 'auto' | 'exact' | 'recheck'
  readonly resume?: true
  readonly showValues?: true
  readonly workers?: number
  readonly maxRowsPerSecond?: number
  readonly maxLag?: number
  readonly maxActive?: number
  readonly repair?: true
  readonly yes?: true
}

/** Adds the options about rows to a command. */
export function withDataOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--mode <mode>', 'exact: both databases at one position; recheck: look again at what looks different')
        .choices(['auto', 'exact', 'recheck'])
        .default('auto'),
    )
    .option('--resume', 'compare only what a run that was broken off has not, or what differed')
    .option('--show-values', "print the values that differ; they are your customers' data")
    .option('--workers <n>', 'ranges compared at the same time (default: 2)', positiveInteger)
    .option('--max-rows-per-second <n>', 'read no faster than this', positive)
    .option('--max-lag <seconds>', 'pause while sync is further behind (default: gates.lag.maxSeconds)', positive)
    .option(
      '--max-active <n>',
      `pause while a server has more sessions at work (default: ${'16, or 2 a core if more'})`,
      positive,
    )
    .option('--repair', 'bring listed rows that differ to what the source holds, and compare again')
    .option('--yes', 'do not ask before rows are repaired; --json, and no terminal to ask at, mean it too')
}

/** Compares the rows, prints what differs, and repairs it where that was asked for. */
export async function verifyData(
  control: Control,
  session: Session,
  capability: string,
  options: VerifyDataOptions,
): Promise<DataDiff> {
  const { terminal, signal } = session
  const compare = async (resume: boolean): Promise<ComparedData> => {
    const progress = terminal.progress('  data', 'rows', true)
    const watched = {
      signal,
      mode: options.mode,
      resume,
      showValues: options.showValues === true,
      ...(options.workers === undefined ? {} : { workers: options.workers }),
      limits: {
        ...usualLimits(control.capability(capability)),
        ...(options.maxLag === undefined ? {} : { maxLagSeconds: options.maxLag }),
        ...(options.maxActive === undefined ? {} : { maxActive: options.maxActive }),
        ...(options.maxRowsPerSecond === undefined ? {} : { maxRowsPerSecond: options.maxRowsPerSecond }),
      },
      onProgress: progress.update,
      onRemark: (remark: string) => terminal.remark(`  ${remark}`),
    }
    const comparing = compareData(control, capability, watched).finally(() => progress.stop())
    return comparing.catch((error: unknown) => {
      const again = `\`ficus verify ${capability} --data --resume${options.repair === undefined ? '' : ' --repair'}\``
      if (signal.aborted) throw new Interrupted(`interrupted; ${again} goes on from there`, { cause: error })
      if (!(error instanceof FicusError) || !error.retry) throw error
      const { code, message, remedy } = error
      throw new FicusError(code, message, { cause: error, remedy: `${remedy} ${again} then goes on from there.` })
    })
  }
  const found = await compare(options.resume === true)
  renderDiff(found.diff, terminal)
  const listed = found.report.tables.reduce((sum, { differing }) => sum + differing.length, 0)
  if (options.repair === undefined || listed === 0) return found.diff
  const whose =
    found.diff.direction === 'reverse' ? "the monolith's database" : `the database of ${capability}'s service`
  const question = `This changes ${plural(listed, 'row')} in ${whose}. Go on?`
  if (options.yes !== true && !(await terminal.confirm(question))) return found.diff
  await repair(control, session, capability, found)
  const again = await compare(true)
  renderDiff(again.diff, terminal)
  return again.diff
}

/** The journal keeps what is to be repaired before anything is, and what became of it. */
async function repair(
  control: Control,
  { terminal, signal }: Session,
  capability: string,
  found: ComparedData,
): Promise<void> {
  const { ledger, actor } = control
  const note = (action: string, evidence: Readonly<Record<string, unknown>>) =>
    ledger.note({ capability, actor, action, reason: null, evidence })
  const listed = found.report.tables.filter(({ differing }) => differing.length > 0)
  await note('begin repair', {
    rows: listed.map(({ source, target, differing }) => ({ source, target, rows: differing.length })),
  })
  const repairing = repairData(control, capability, found, signal)
  const tables = await repairing.catch(async (error: unknown) => {
    // Not the message: what a database says may hold values.
    const why = signal.aborted ? 'INTERRUPTED' : toFicusError(error).code
    await note('break off repair', { error: why }).catch(() => {})
    throw error
  })
  for (const { source, target, repaired, left, reasons } of tables) {
    terminal.line(`${source} -> ${target}: ${plural(repaired, 'row')} repaired${left === 0 ? '' : `, ${left} left`}`)
    for (const reason of reasons) terminal.line(`  ${reason}`)
  }
  await note('repair', {
    repaired: tables.map(({ source, target, repaired, left }) => ({ source, target, repaired, left })),
  })
}

function positive(text: string): number {
  const value = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && value > 0) return value
  throw new InvalidArgumentError('It must be a number above 0.')
}

function positiveInteger(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number above 0.')
}
