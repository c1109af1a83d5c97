/**
 * What an SQL expression may read of its row: names of columns, or all of them where it takes the row as a whole
 * (`to_jsonb(t)`). A name that only looks like a column counts too: the answer may hold too much, never too little.
 *
 * @param expression SQL over one row of `table`.
 * @param table the table's own name, under which the row as a whole can be named.
 * @param columns every column of the table.
 */
export function columnsRead(expression: string, table: string, columns: readonly string[]): Set<string> {
  const known = new Set(columns)
  const read = new Set<string>()
  const tokens = [...tokensOf(expression)]
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'unsure') return known
    if (token.kind !== 'name') continue
    if (known.has(token.text)) read.add(token.text)
    if (token.text === table && !qualifiesColumn(tokens, index)) return known
  }
  return read
}

function qualifiesColumn(tokens: readonly Token[], index: number): boolean {
  return tokens[index + 1]?.text === '.' && tokens[index + 2]?.kind === 'name'
}

/** A word or sign of an SQL expression; comments, constants and blanks are none. */
export interface Token {
  /** `unsure`: an identifier written with Unicode escapes, which is not worth decoding. */
  readonly kind: 'name' | 'sign' | 'unsure'
  readonly text: string
}

/**
 * PostgreSQL's lexical structure as far as names go (documentation, 4.1): comments, string constants in all their
 * forms, quoted and unquoted identifiers; everything else is a sign of one character.
 */
const LEXEME =
  /(?<skip>\s+|--[^\n]*|\/\*[\s\S]*?\*\/|\$(?<tag>[A-Za-z_\u0080-\uffff]?[\w\u0080-\uffff]*)\$[\s\S]*?\$\k<tag>\$|[eE]'(?:[^'\\]|\\[\s\S]|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')|(?<unsure>[uU]&"(?:[^"]|"")*")|"(?<quoted>(?:[^"]|"")*)"|(?<bare>[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|(?<number>\d[\w.]*)|(?<sign>[\s\S])/gu

/** Cuts SQL into names and signs. Unquoted names are folded as PostgreSQL does. */
export function* tokensOf(sql: string): Generator<Token> {
  for (const { groups = {} } of sql.matchAll(LEXEME)) {
    if (groups.skip !== undefined || groups.number !== undefined) continue
    if (groups.unsure !== undefined) yield { kind: 'unsure', text: groups.unsure }
    else if (groups.quoted !== undefined) yield { kind: 'name', text: groups.quoted.replaceAll('""', '"') }
    else if (groups.bare !== undefined) yield { kind: 'name', text: folded(groups.bare) }
    else yield { kind: 'sign', text: groups.sign ?? '' }
  }
}

/** In UTF-8 PostgreSQL folds A to Z alone (parser/scansup.c). */
function folded(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => letter.toLowerCase())
}
