import { parseDuration } from '@ficus/core/config/duration'
import { FicusError } from '@ficus/core/errors/ficus-error'
import { table } from '@ficus/core/terminal/table'
import { type Command, InvalidArgumentError } from 'commander'
import { gatherVersions } from '../gate/versions.ts'
import type { DriveResult } from '../load/drive.ts'
import { judgeLoad, type LoadRun } from '../load/judge-load.ts'
import { runLoad } from '../load/run-load.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { showCount, showVerdict } from '../terminal/words.ts'
import { type CommonOptions, ficusCommand, type Host, runWithControl } from './command.ts'

interface LoadCommandOptions extends CommonOptions {
  readonly rate?: number
  readonly duration?: number
}

const REMEDIES = {
  fail: 'Make the service faster, or look at gates.load in the config: it says what is asked.',
  inconclusive: 'Drive it as gates.load in the config asks, from a machine that has the time for it.',
} as const

/** `ficus load <capability>` */
export function loadCommand(host: Host): Command {
  return ficusCommand(
    'load',
    "Drives both sides with the capability's requests at an open rate, and prints their latencies beside each other.",
    'ficus load catalog --rate 300 --duration 20s',
  )
    .argument('<capability>', 'which one')
    .option('--rate <count>', 'requests a second (default: gates.load.rate)', requestRate)
    .option('--duration <time>', 'how long each side is driven, such as 20s (default: gates.load.duration)', time)
    .action((capability: string, options: LoadCommandOptions) =>
      runWithControl(host, options, async (control, { terminal, signal }) => {
        const limits = control.capability(capability).gates.load
        const { rate = limits.rate, duration = limits.duration } = options
        const versions = await gatherVersions(control, capability, signal)
        const progress = terminal.progress('  load')
        const run = await runLoad(control, capability, {
          rate,
          duration,
          signal,
          onProgress: (done, total) => progress.update(Math.round(done), total),
        }).finally(() => progress.stop())
        const judgement = judgeLoad(run, limits)
        const evidence = { ...run }
        const result = await control.ledger.recordGate(capability, { gate: 'load', ...judgement, evidence, versions })
        renderLoad(run, terminal)
        terminal.line(`${showVerdict(result.verdict, terminal)}  ${terminal.colour.bold('load')}  ${result.summary}`)
        terminal.document({ capability, versions, result })
        if (result.verdict === 'pass') return 0
        throw new FicusError('FICUS_GATE_RED', `load: ${result.summary}`, {
          remedy: REMEDIES[result.verdict],
        })
      }),
    )
}

function renderLoad(run: LoadRun, terminal: Terminal): void {
  const row = (name: string, side: DriveResult) => [
    name,
    ...[side.latency.p50, side.latency.p90, side.latency.p99, side.latency.max].map(ms => ms.toFixed(1)),
    side.throughput.toFixed(0),
    showCount(side.errors),
    Object.entries(side.errorKinds)
      .map(([kind, count]) => `${kind}: ${count}`)
      .join(', '),
  ]
  terminal.line(`${run.rate} requests/s for ${run.duration / 1_000} s a side; latencies in ms`)
  terminal.line(
    table(
      ['side', 'p50', 'p90', 'p99', 'max', 'reached/s', 'errors', ''],
      [row('monolith', run.monolith), row('service', run.service)],
    ),
  )
}

function requestRate(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 100_000) return value
  throw new InvalidArgumentError('It must be a whole number of requests a second, from 1 to 100000.')
}

function time(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds !== null && milliseconds >= 1_000 && milliseconds <= 3_600_000) return milliseconds
  throw new InvalidArgumentError('It must be a time from 1s to 1h, such as 20s.')
}
