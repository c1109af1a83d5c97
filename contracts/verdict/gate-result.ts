import type { GateResult, Versions } from '@ficus/core/ledger/records'
import type { ContractVerdict, ContractVersions } from './verdict.ts'

/** The gate's name in the ledger. */
export const CONTRACTS_GATE = 'contracts'

/** The verdict as the `contracts` gate's result, for the ledger. A version that a provider does not say is left out. */
export function toGateResult(verdict: ContractVerdict): GateResult {
  const { onlyService, neither, notCompared, unproven, elsewhere, messages, interactions } = verdict
  return {
    gate: CONTRACTS_GATE,
    verdict: verdict.verdict,
    summary: summaryOf(verdict),
    evidence: {
      interactions: interactions.length,
      onlyMonolith: interactions
        .filter(({ monolith, service }) => monolith.passed && !service.passed)
        .map(({ name, route, service }) => ({ interaction: name, route, reason: service.reason })),
      onlyService,
      neither,
      notCompared,
      unproven,
      elsewhere,
      messages,
    },
    versions: gateVersions(verdict.versions),
  }
}

/** The versions a `contracts` result counts for; a version that a provider does not say is left out. */
function gateVersions({ pacts, monolith, service }: ContractVersions): Versions {
  return {
    pacts,
    ...(monolith === null ? {} : { monolith }),
    ...(service === null ? {} : { service }),
  }
}

function summaryOf({
  interactions,
  onlyMonolith,
  onlyService,
  neither,
  notCompared,
  unproven,
}: ContractVerdict): string {
  if (interactions.length === 0) return 'no pact takes a route of this capability'
  const honoured = interactions.filter(({ monolith }) => monolith.passed).length
  const stale = onlyService.length + neither.length
  const parts = [
    `the service passes ${honoured - onlyMonolith.length} of ${honoured} interactions that the monolith passes`,
  ]
  const [first] = onlyMonolith
  if (first !== undefined) parts.push(`fails ${first}${more(onlyMonolith.length - 1)}`)
  if (stale > 0) parts.push(`${stale} stale (the monolith fails them)`)
  if (notCompared.length > 0) parts.push(`${notCompared.length} not compared`)
  if (unproven.length > 0) parts.push(`${count(unproven.length, 'route')} unproven`)
  return parts.join('; ')
}

function more(others: number): string {
  return others === 0 ? '' : ` and ${others} more`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
