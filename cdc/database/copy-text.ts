/** Characters that COPY's text format writes with a backslash (PostgreSQL documentation, COPY, "Text Format"). */
const ESCAPED = /[\\\b\t\n\v\f\r]/g
const LETTERS: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
}
/** Characters in a chunk, about. */
const CHUNK = 64 * 1024

/** One row of `COPY … (FORMAT text)`, with its newline. */
export function copyTextLine(values: readonly (string | null)[]): string {
  return `${values.map(value => (value === null ? '\\N' : escaped(value))).join('\t')}\n`
}

/** The data of `COPY … FROM STDIN (FORMAT text)`, in chunks. */
export function* copyText(rows: Iterable<readonly (string | null)[]>): Generator<Buffer, void> {
  let text = ''
  for (const row of rows) {
    text += copyTextLine(row)
    if (text.length < CHUNK) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

function escaped(value: string): string {
  return value.replace(ESCAPED, character => LETTERS[character] ?? character)
}
