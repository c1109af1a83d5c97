import { FicusError } from '@ficus/core/errors/ficus-error'
import type { StoredGateResult } from '@ficus/core/ledger/records'
import type { Command } from 'commander'
import { judgeData } from '../gate/data.ts'
import { record } from '../gate/evaluate.ts'
import type { Finding } from '../gate/gate.ts'
import { judgeReverse, reverseEvidence } from '../gate/reverse.ts'
import { gatherVersions } from '../gate/versions.ts'
import { probeReverse } from '../joint/cdc.ts'
import { hasContracts, verifyBothSides } from '../joint/contracts.ts'
import type { DataDiff } from '../joint/diff.ts'
import { renderReverse } from '../status/render-reverse.ts'
import { renderVerdict } from '../status/render-verdict.ts'
import { showVerdict } from '../terminal/words.ts'
import { type CommonOptions, type ExitCode, ficusCommand, type Host, runWithControl } from './command.ts'
import { type VerifyDataOptions, verifyData, withDataOptions } from './verify-data.ts'

interface VerifyOptions extends CommonOptions, VerifyDataOptions {
  readonly as?: string
  readonly data?: true
  readonly contracts?: true
  readonly reverse?: true
}

/** `ficus verify <capability>` */
export function verifyCommand(host: Host): Command {
  const command = ficusCommand(
    'verify',
    'Compares every mapped row of both sides, and verifies the contracts against both sides.',
    ['ficus verify catalog --data', 'ficus verify catalog --data --repair --yes --json'],
    {
      0: 'all that was looked at is equal, kept or proven',
      1: 'something is not, or could not be decided: the last line says which and what to do',
      130: 'interrupted by Ctrl-C; --resume goes on with the rows from there',
    },
  )
    .argument('<capability>', 'which one')
    .option('--data', 'the rows alone')
    .option('--contracts', 'the contracts alone')
    .option('--reverse', 'the way back alone: that what the service will write can be carried to the monolith')
    .option('--as <name>', 'who repairs, for the journal (default: the system user)')
  return withDataOptions(command).action((capability: string, options: VerifyOptions) =>
    runWithControl(host, options, async (control, session) => {
      const { terminal, loaded, signal } = session
      const config = control.capability(capability)
      const both = [options.data, options.contracts, options.reverse].every(option => option === undefined)
      const asksForContracts = both || options.contracts === true
      // Told before the rows are compared, which may take long.
      if (asksForContracts && !hasContracts(config)) throw noContracts(capability)
      const versions = await gatherVersions(control, capability, signal)
      const results: StoredGateResult[] = []
      let shown: { readonly rows?: DataDiff['rows'] } = {}
      const keep = async (gate: 'data' | 'contracts' | 'reverse', finding: Finding) => {
        const result = await record(gate, finding, { control, capability, versions })
        results.push(result)
        terminal.line(`${showVerdict(result.verdict, terminal)}  ${terminal.colour.bold(gate)}  ${result.summary}`)
      }

      if (both || options.data) {
        const diff = await verifyData(control, session, capability, options)
        // The values are for whoever asked for them, not for the ledger.
        const rows = diff.rows.map(({ values: _, ...row }) => row)
        await keep('data', { ...judgeData(diff), evidence: { ...diff, rows } })
        if (options.showValues) shown = { rows: diff.rows }
      }
      if (asksForContracts && hasContracts(config)) {
        const progress = terminal.progress('  contracts', 'interactions')
        const watch = { versions, signal, onProgress: progress.update }
        const verification = verifyBothSides(loaded, capability, config, watch)
        const { verdict, finding } = await verification.finally(() => progress.stop())
        renderVerdict(verdict, terminal)
        await keep('contracts', finding)
      }
      if (options.reverse) {
        const report = await probeReverse(loaded, capability)
        renderReverse(report, terminal)
        await keep('reverse', { ...judgeReverse(report), evidence: reverseEvidence(report) })
      }
      terminal.document({ capability, versions, results, ...shown })
      return exitCode(results, capability)
    }),
  )
}

function exitCode(results: readonly StoredGateResult[], capability: string): ExitCode {
  const red = results.find(result => result.verdict !== 'pass')
  if (red === undefined) return 0
  throw redResult(red, capability)
}

/** What the command ends with where a result is red. */
export function redResult(
  { gate, verdict, summary }: Pick<StoredGateResult, 'gate' | 'verdict' | 'summary'>,
  capability: string,
): FicusError {
  if (gate === 'reverse') {
    return new FicusError('FICUS_GATE_RED', `${gate}: ${summary}`, {
      remedy:
        verdict === 'fail'
          ? 'Mend each problem listed above, then verify again.'
          : 'Nothing is known to be wrong: verify again in a quieter moment, or once there are rows to prove it on.',
    })
  }
  if (gate !== 'data') {
    return new FicusError('FICUS_GATE_RED', `${gate}: ${summary}`, {
      remedy: 'Mend the service until it keeps every contract that the monolith keeps, then verify again.',
    })
  }
  if (verdict === 'fail') {
    return new FicusError('FICUS_DATA_DIFFERS', summary, {
      remedy: `Look at the keys above, and mend the mapping or what else wrote these rows; then \`ficus verify ${capability} --data --repair\`.`,
    })
  }
  return new FicusError('FICUS_SYNC_BEHIND', summary, {
    remedy: 'Verify again once there are rows to compare, and while fewer of them change.',
  })
}

function noContracts(capability: string): FicusError {
  return new FicusError('FICUS_CONFIG_INVALID', `capabilities.${capability}.contracts is missing`, {
    remedy: `Add capabilities.${capability}.contracts, or run \`ficus verify ${capability} --data\`.`,
  })
}
