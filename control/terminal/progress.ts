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
): Progress {
  const bar = new SingleBar({
    stream,
    format: `${label} {bar} {percentage}%${unit === undefined ? '' : ` | {value} of {total} ${unit}`}`,
    barCompleteChar: colours ? '█' : '#',
    barIncompleteChar: colours ? '░' : '-',
    barsize: 30,
    hideCursor: true,
    clearOnComplete: true,
  })
  let started = false
  return {
    update: (done, total) => {
      // An estimate may fall short of what is really there.
      const whole = Math.max(total, done, 1)
      if (!started) bar.start(whole, done)
      started = true
      bar.setTotal(whole)
      bar.update(done)
    },
    stop: () => {
      if (started) bar.stop()
    },
  }
}
