import type { SyncStatus } from '@ficus/core/ledger/records'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'

const STATES: readonly SyncStatus['state'][] = ['waiting', 'copying', 'streaming', 'stopped', 'failed', 'dropped']

/** Prometheus metrics of sync, read from the statuses whenever somebody scrapes. */
export function createMetrics(statuses: () => readonly (readonly [string, SyncStatus | null])[]): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const gauge = (name: string, help: string, measure: (status: SyncStatus) => number | undefined) =>
    new Gauge({
      name,
      help,
      labelNames: ['capability', 'direction'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [capability, status] of statuses()) {
          const value = status === null ? undefined : measure(status)
          if (status !== null && value !== undefined) this.set({ capability, direction: status.direction }, value)
        }
      },
    })
  gauge('ficus_sync_lag_seconds', 'Age of the oldest commit that the target lacks', status => status.lagSeconds)
  gauge('ficus_sync_lag_rows', 'Changed rows that the target lacks, about', status => status.lagRows)
  gauge('ficus_sync_applied_rows', 'Changed rows applied since the first copy', status => status.appliedRows)
  gauge('ficus_sync_copied_rows', 'Rows of the first copy', status => status.copiedRows)
  gauge('ficus_sync_parked', 'Changes that the target refused, and those behind them', status => status.parked)
  gauge('ficus_sync_slot_kept_bytes', 'Log that the source keeps for the slot', ({ slot }) => slot?.keptBytes)
  gauge('ficus_sync_slot_left_bytes', 'Log until the source may give the slot up; +Inf if never', ({ slot }) =>
    slot === undefined ? undefined : (slot.leftBytes ?? Infinity),
  )
  new Gauge({
    name: 'ficus_sync_state',
    help: '1 for the state that sync is in',
    labelNames: ['capability', 'direction', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [capability, status] of statuses()) {
        if (status === null) continue
        for (const state of STATES) {
          this.set({ capability, direction: status.direction, state }, status.state === state ? 1 : 0)
        }
      }
    },
  })
  return registry
}
