import { askReady } from '../health/health.ts'
import { toFicusError } from '../terminal/report-error.ts'
import type { Gate } from './gate.ts'

export const serviceGate: Gate = {
  name: 'service',
  proves: 'the service is ready for traffic',
  quick: true,
  command: capability => `ficus check ${capability}`,
  gather: async ({ capability, config: { service }, signal }) => {
    const url = service.url + service.ready
    try {
      await askReady(`${capability}'s service`, service.url, service.ready, signal)
      return { verdict: 'pass', summary: `${url} answers that it is ready`, evidence: { url } }
    } catch (error) {
      signal.throwIfAborted()
      return { verdict: 'fail', summary: toFicusError(error).message, evidence: { url } }
    }
  },
}
