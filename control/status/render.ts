import { isNearlyLost, type SideTraffic } from '@ficus/core/ledger/records'
import { table } from '@ficus/core/terminal/table'
import type { DialEffect } from '../dial/dials.ts'
import { SYNC_SILENT_SECONDS } from '../gate/lag.ts'
import type { Terminal } from '../terminal/terminal.ts'
import { plural, showAge, showBytes, showCount, showShare, showVerdict } from '../terminal/words.ts'
import type { CapabilityStatus, Status } from './gather.ts'

/** Prints how all capabilities stand. */
export function renderStatus(status: Status, terminal: Terminal): void {
  status.capabilities.forEach((capability, index) => {
    if (index > 0) terminal.line()
    renderCapability(capability, status, terminal)
  })
}

function renderCapability(capability: CapabilityStatus, { now, edges }: Status, terminal: Terminal): void {
  const { colour } = terminal
  const { state } = capability
  const since = showAge(now.getTime() - state.phaseSince.getTime())
  terminal.line(`${colour.bold(state.name)}  ${colour.cyan(state.phase)} since ${since}`)
  const rows = [
    ['writes', `${state.owner} (epoch ${state.epoch})`],
    ...dialRows(capability, terminal),
    ['sync', syncLine(capability.sync, terminal)],
    ...slotRows(capability.sync, terminal),
    ['traffic', trafficLine(capability.traffic)],
    ['edges', edgeLine(edges, state, terminal)],
  ]
  terminal.line(indent(table([], rows)))
  if (capability.gates.length === 0) return
  terminal.line()
  const gates = capability.gates.map(gate => [
    gate.gate,
    showVerdict(gate.verdict, terminal),
    `${showAge(now.getTime() - gate.measuredAt.getTime())} ago`,
    gate.summary,
  ])
  terminal.line(indent(table(['gate', 'verdict', 'measured', ''], gates)))
}

function dialRows({ dials, dialsError }: CapabilityStatus, { colour }: Terminal): string[][] {
  if (dials === null) return [['dials', colour.red(dialsError?.message ?? 'unknown')]]
  return [
    ['read', dialLine(dials.read)],
    ['shadow', dialLine(dials.shadow)],
  ]
}

/** `25 %`, or `25 % set, 0 % in effect: in syncing all reads go to the monolith`. */
export function dialLine({ set, effective, why }: DialEffect): string {
  const shown = set === null ? 'no flag' : `${set} %`
  return why === null ? shown : `${shown} set, ${effective} % in effect: ${why}`
}

function syncLine(sync: CapabilityStatus['sync'], { colour }: Terminal): string {
  if (sync === null) return 'no sync process has ever reported'
  const silent = sync.ageSeconds > SYNC_SILENT_SECONDS
  const age = silent ? colour.yellow(`; no sync process has reported for ${showAge(sync.ageSeconds * 1_000)}`) : ''
  if (sync.error !== null) return `${colour.red(`${sync.state}: ${sync.error.code}`)} ${sync.error.message}${age}`
  if (sync.state === 'dropped') return `none: no slot, no copied rows${age}`
  if (sync.state === 'copying') {
    const whole = Math.max(sync.estimatedRows, sync.copiedRows)
    return `copying: ${showCount(sync.copiedRows)} of about ${plural(whole, 'row')} (${showShare(sync.copiedRows, whole)})${age}`
  }
  if (sync.state !== 'streaming') return `${sync.state}${age}`
  const parked = sync.parked > 0 ? colour.red(`; ${plural(sync.parked, 'change')} parked`) : ''
  const lag = `${plural(sync.lagRows, 'row')}, ${sync.lagSeconds.toFixed(1)} s behind`
  return `${sync.direction}, streaming by ${sync.engine}: ${lag}; ${plural(sync.appliedRows, 'row')} applied${parked}${age}`
}

/** Whatever sync does: the log grows while it waits, too. */
function slotRows(sync: CapabilityStatus['sync'], { colour }: Terminal): string[][] {
  const slot = sync?.slot
  if (slot === undefined || slot.walStatus === 'lost' || !isNearlyLost(slot)) return []
  const left = `the server keeps ${showBytes(slot.keptBytes)} of log for it, and gives it up after ${showBytes(slot.leftBytes ?? 0)} more`
  return [['slot', colour.red(`nearly lost (${slot.walStatus}): ${left}`)]]
}

function trafficLine(traffic: Readonly<Record<'monolith' | 'service', SideTraffic>>): string {
  const total = traffic.monolith.requests + traffic.service.requests
  if (total === 0) return 'none in the last 5 min'
  const side = (name: 'monolith' | 'service') => {
    const { requests, errors } = traffic[name]
    return `${name} ${showShare(requests, total)} (${showCount(requests)}, ${plural(errors, 'error')})`
  }
  return `${side('monolith')}, ${side('service')} in the last 5 min`
}

function edgeLine(edges: Status['edges'], state: { name: string; epoch: number }, { colour }: Terminal): string {
  if (edges.length === 0) return colour.yellow('none has reported lately')
  const behind = edges.filter(edge => (edge.epochs[state.name] ?? -1) < state.epoch)
  const late = behind.length > 0 ? colour.yellow(`, ${behind.length} not at epoch ${state.epoch} yet`) : ''
  return `${edges.length} live${late}`
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ')
}
