import { openLogFile } from '@ficus/deploy/native/log-file'

const TAIL_LINES = 12

/** The log of one started part: kept in a file, its end at hand for the message of an error. */
export interface PartLog {
  readonly path: string
  readonly write: (line: string) => void
  /** The last lines, indented. */
  tail(): string
  close(): Promise<void>
}

/** Opens `<folder>/<name>.log`. */
export async function openPartLog(folder: string, name: string): Promise<PartLog> {
  const file = await openLogFile(folder, name)
  const lines: string[] = []
  return {
    path: file.path,
    write: line => {
      file.write(line)
      lines.push(line)
      if (lines.length > TAIL_LINES) lines.shift()
    },
    tail: () => lines.map(line => `    ${line}`).join('\n'),
    close: () => file.close(),
  }
}
