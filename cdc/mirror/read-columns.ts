import { columnsRead, type Token, tokensOf } from '../mapping/expression-columns.ts'
import { type Flow, mappedExpressions, type TableRead } from '../mapping/flow.ts'

/**
 * The columns of a table read that the expressions of `flow` see: those that they name, those that the rows are matched
 * by, and all of them where an expression takes rows as a whole. Both databases show exactly these columns, in this
 * order, so whatever is left out fails in both, and never means another thing in one.
 *
 * @param columns every column of the table.
 */
export function readColumns(flow: Flow, read: TableRead, columns: readonly string[]): string[] {
  const matched = read.matches.flatMap(match => match.map(({ column }) => column))
  const seen = new Set([...matched, ...columnsSeen(flow, read.table.table, columns)])
  return columns.filter(column => seen.has(column))
}

/** The columns of a table that the expressions of `flow` name, or all where one takes its rows as a whole. */
export function columnsSeen(flow: Flow, table: string, columns: readonly string[]): Set<string> {
  const seen = new Set<string>()
  for (const expression of [...mappedExpressions(flow).map(mapped => mapped.expression), flow.where ?? '']) {
    if (takesWholeRows([...tokensOf(expression)], table)) return new Set(columns)
    // Named for no table: FROM names this one without taking its rows as a whole.
    for (const column of columnsRead(expression, '', columns)) seen.add(column)
  }
  return seen
}

/** Words that follow a table in FROM and are not its alias. */
const AFTER_TABLE = new Set(
  'where on using join left right full inner cross natural group order having limit offset fetch for union except intersect window tablesample'.split(
    ' ',
  ),
)

function takesWholeRows(tokens: readonly Token[], table: string): boolean {
  const text = (index: number) => tokens[index]?.text ?? ''
  const aliases = new Set([table])
  const definitions = new Set<number>()
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'unsure' || token.text === 'natural') return true
    if (token.text === '*' && ['select', 'distinct', 'all', ',', '.'].includes(text(index - 1))) return true
    if (token.kind !== 'name' || token.text !== table || !['from', 'join', 'only'].includes(text(index - 1))) continue
    if (text(index + 1) === '.') continue
    definitions.add(index)
    const at = text(index + 1) === 'as' ? index + 2 : index + 1
    const alias = tokens[at]
    if (alias?.kind !== 'name' || AFTER_TABLE.has(alias.text)) continue
    // An alias with a list of columns names them by their place.
    if (text(at + 1) === '(') return true
    definitions.add(at)
    aliases.add(alias.text)
  }
  return tokens.some(
    (token, index) =>
      token.kind === 'name' && aliases.has(token.text) && !definitions.has(index) && text(index + 1) !== '.',
  )
}
