import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'

/** A server's log, kept in a file. */
export interface LogFile {
  readonly path: string
  readonly write: (line: string) => void
  close(): Promise<void>
}

/** Opens `<folder>/<name>.log`, which goes on where an earlier run ended. */
export async function openLogFile(folder: string, name: string): Promise<LogFile> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name}.log`)
  const stream = createWriteStream(path, { flags: 'a' })
  return {
    path,
    write: line => {
      stream.write(`${line}\n`)
    },
    close: async () => {
      stream.end()
      await finished(stream)
    },
  }
}
