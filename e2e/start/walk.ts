import { setTimeout as sleep } from 'node:timers/promises'
import type { Ledger } from '@ficus/core/ledger/ledger'
import type { Phase } from '@ficus/core/phases/phase'
import type { Traffic } from '../traffic/traffic.ts'

/** What the walk needs from the system around it. */
export interface WalkSurroundings {
  readonly capability: string
  readonly ledger: Ledger
  readonly traffic: Traffic
  /** The read dial as it stands, percent: a walk that goes on never turns it down. */
  readDial(): Promise<number>
  /** Runs a `ficus` command as a person would type it. @throws where it does not exit with 0. */
  ficus(...args: string[]): Promise<void>
  /** Tells what happens now, in a line of its own. */
  say(text: string): void
  /** Shows how far a wait has come, over itself on a terminal. */
  progress(text: string): void
  /** Ends the walk between two steps. */
  readonly signal: AbortSignal
}

/** Longest wait for one thing to come about, milliseconds. */
const PATIENCE = 120_000

/**
 * Walks a capability from whichever phase it is in to canary at 100% of reads, one step at a time. Each step is what
 * an operator would do; a walk that was interrupted goes on where the ledger says it stopped.
 */
export async function walkToFullCanary(around: WalkSurroundings): Promise<void> {
  const { capability, ledger, ficus, say } = around
  const steps: Readonly<Partial<Record<Phase, () => Promise<void>>>> = {
    legacy: async () => {
      say('The monolith owns everything. Start copying the capability’s tables; its users notice nothing.')
      await ficus('start', capability)
    },
    syncing: async () => {
      await untilStreaming(around)
      say('Both sides hold the same rows. Compare each of them, then let the service answer in the shadow.')
      await ficus('advance', capability)
    },
    shadowing: async () => {
      say('Mirror every read to the service; users still get the monolith’s answer.')
      await ficus('route', capability, '--shadow', '100')
      await untilCompared(around, 300)
      say('Verify the consumers’ contracts and load the service, then let the gates decide.')
      await ficus('verify', capability, '--contracts')
      await ficus('load', capability, '--duration', '8s')
      await ficus('advance', capability)
    },
  }
  for (;;) {
    around.signal.throwIfAborted()
    const { phase } = await ledger.capability(capability)
    const step = steps[phase]
    if (step === undefined) break
    await step()
  }
  const dialled = await around.readDial()
  for (const share of [10, 50, 100].filter(step => step > dialled || step === 100)) {
    say(`Let the service answer ${share}% of the users.`)
    await ficus('route', capability, '--read', String(share))
    await untilServed(around, share)
  }
}

async function until(what: string, reached: () => Promise<string | null>, around: WalkSurroundings): Promise<void> {
  const deadline = Date.now() + PATIENCE
  for (;;) {
    around.signal.throwIfAborted()
    const missing = await reached()
    if (missing === null) break
    if (Date.now() > deadline) throw new Error(`${what} did not come about in ${PATIENCE / 1000} s: ${missing}`)
    around.progress(`${what}: ${missing}`)
    await sleep(250)
  }
  around.progress('')
}

function untilStreaming(around: WalkSurroundings): Promise<void> {
  return until(
    'first copy',
    async () => {
      const status = await around.ledger.syncStatus(around.capability)
      if (status === null) return 'sync has not reported yet'
      if (status.state === 'failed') throw new Error(`sync failed: ${status.error?.message}`)
      if (status.state === 'streaming' && status.lagSeconds < 2) return null
      return `${status.state}, ${status.copiedRows.toLocaleString('en-US')} of about ${status.estimatedRows.toLocaleString('en-US')} rows, ${status.lagSeconds.toFixed(1)} s behind`
    },
    around,
  )
}

function untilCompared(around: WalkSurroundings, wanted: number): Promise<void> {
  return until(
    'shadow comparisons',
    async () => {
      const { epoch } = await around.ledger.capability(around.capability)
      const counts = await around.ledger.shadow(around.capability, { epoch })
      const compared = counts.reduce((sum, { matched, mismatched }) => sum + matched + mismatched, 0)
      return compared >= wanted ? null : `${compared} of ${wanted}`
    },
    around,
  )
}

/** Waits until the service answers about the share of the reads that the dial says; at 100% all of them. */
function untilServed(around: WalkSurroundings, share: number): Promise<void> {
  let before = around.traffic.report().reads
  return until(
    `service answers ${share}% of the users`,
    async () => {
      const now = around.traffic.report().reads
      const service = now.service - before.service
      const all = service + now.monolith - before.monolith
      if (all < 100) return `${all} of 100 reads watched`
      before = now
      // Users are few here, so their share is near the dial, not equal to it.
      const reached = (100 * service) / all
      return reached >= (share === 100 ? 100 : share * 0.5) ? null : `${reached.toFixed(0)}% of the last ${all} reads`
    },
    around,
  )
}
