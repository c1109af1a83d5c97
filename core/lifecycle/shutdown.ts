/**
 * Resolves with the first SIGINT or SIGTERM. A second one ends the process at once with code 130, for whoever
 * presses Ctrl-C again because draining takes too long.
 */
export function shutdownSignal(target: NodeJS.Process = process): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let asked = false
    const ask = (signal: NodeJS.Signals) => {
      if (asked) target.exit(130)
      asked = true
      resolve(signal)
    }
    target.on('SIGINT', ask)
    target.on('SIGTERM', ask)
  })
}
