import { judgeLoad } from '../load/judge-load.ts'
import { runLoad } from '../load/run-load.ts'
import type { Gate } from './gate.ts'

export const loadGate: Gate = {
  name: 'load',
  proves: 'the service bears the traffic to come',
  quick: false,
  command: capability => `ficus load ${capability}`,
  gather: async ({ control, capability, config, signal, progress }) => {
    if (config.load === undefined) {
      const summary = `capabilities.${capability}.load names no requests to send`
      return { verdict: 'inconclusive', summary, evidence: {} }
    }
    const { rate, duration } = config.gates.load
    const run = await runLoad(control, capability, { rate, duration, signal, onProgress: progress.update })
    return { ...judgeLoad(run, config.gates.load), evidence: { ...run } }
  },
}
