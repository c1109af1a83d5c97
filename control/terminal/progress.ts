import { SingleBar } from 'cli-progress'

/** Shows how far a long step is. */
export interface Progress {
  /** @param total 0 while it is not known. */
  update(done: number, total: number): void
  stop(): void
}

/** For pipes and `--json`: shows nothing. */
export const silentProgress: Progress = { update: () => {}, stop: () => {} }

/** One line on `stream` that redraws itself and goes away at the end. */
export function progressBar(
  label: string,
  unit: string | undefined,
  stream: NodeJS.WritableStream,
  colours: boolean,
  pace: boolean,
): Progress {
  const started = performance.now()
  const bar = new SingleBar({
    stream,
    format: `${label} {bar} {percentage}%${unit === undefined ? '' : ` | {value} of {total} ${unit}`}${pace ? ' | {rate}/s | {eta_formatted} left' : ''}`,
    barCompleteChar: colours ? '█' : '#',
    barIncompleteChar: colours ? '░' : '-',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  })
  let shown = false
  return {
    update: (done, total) => {
      // An estimate may fall short of what is really there.
      const whole = Math.max(total, done, 1)
      const rate = Math.round((1_000 * done) / (performance.now() - started))
      if (!shown) bar.start(whole, done, { rate })
      shown = true
      bar.setTotal(whole)
      bar.update(done, { rate })
    },
    stop: () => {
      if (shown) bar.stop()
    },
  }
}
