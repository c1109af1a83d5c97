import { hasContracts, verifyBothSides } from '../joint/contracts.ts'
import type { Gate } from './gate.ts'

export const contractsGate: Gate = {
  name: 'contracts',
  proves: 'the service keeps every contract that the monolith keeps',
  quick: false,
  command: capability => `ficus verify ${capability} --contracts`,
  gather: async ({ control, capability, config, versions, signal, progress }) => {
    if (!hasContracts(config)) {
      const summary = `capabilities.${capability}.contracts names no pacts to verify`
      return { verdict: 'inconclusive', summary, evidence: {} }
    }
    const options = { versions, signal, onProgress: progress.update }
    const { finding } = await verifyBothSides(control.loaded, capability, config, options)
    return finding
  },
}
