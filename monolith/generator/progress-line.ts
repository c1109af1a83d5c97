import type { WriteStream } from 'node:tty'
import type { SeedProgress } from './seed.ts'

/** Shows how far a seed is: one line that changes on a terminal, a line for each tenth elsewhere. */
export function createProgressLine(stream: WriteStream): { show(progress: SeedProgress): void; end(): void } {
  let lastTenth = -1
  let shown = false
  return {
    show({ what, done, total }) {
      const percent = Math.floor((done / total) * 100)
      const line = `seeding ${what}: ${String(percent).padStart(3)} % (${done} of ${total} products, customers and orders)`
      if (stream.isTTY) {
        stream.write(`\r\x1b[2K${line}`)
        shown = true
      } else if (Math.floor(percent / 10) > lastTenth) {
        lastTenth = Math.floor(percent / 10)
        stream.write(`${line}\n`)
      }
    },
    end() {
      if (shown) stream.write('\n')
    },
  }
}
