import { FicusError, messageOf } from '@ficus/core/errors/ficus-error'
import pg from 'pg'

/**
 * What an error says without any value of a row, for all that leaves the two databases: the ledger, logs, a gate's evidence
 * (docs/decisions/0009). PostgreSQL's `detail` and `context` hold values and are left out. Its message is kept where it
 * names objects alone; else the SQLSTATE stands for it, and the words are in that server's log.
 */
export function withoutValues(error: unknown): string {
  if (error instanceof FicusError) {
    const { withoutValues: said } = error.details
    return typeof said === 'string' ? said : error.message
  }
  if (!(error instanceof pg.DatabaseError) || namesObjectsAlone(error)) return messageOf(error)
  const { code, constraint, table, column = copiedColumn(error) } = error
  const objects = [constraint, table, column].filter(name => name !== undefined)
  const at = objects.length === 0 ? '' : ` at ${objects.join(', ')}`
  return `${showCondition(code ?? '')}${at}${raisedBy(error)}; its words are in the log of that server`
}

/** `unique_violation (SQLSTATE 23505)` */
function showCondition(sqlState: string): string {
  const name = CONDITIONS[sqlState]
  return name === undefined ? `SQLSTATE ${sqlState}` : `${name} (SQLSTATE ${sqlState})`
}

/**
 * Integrity violations (class 23) and what is said of statements, rights, limits and the server name no value in their
 * message; data exceptions (22) mostly do: `invalid input syntax for type date: "Jane"`. What a trigger or a function
 * raises is anybody's text, whatever its code.
 */
function namesObjectsAlone({ code = '', message, routine, internalQuery }: pg.DatabaseError): boolean {
  if (routine === 'exec_stmt_raise' || internalQuery !== undefined) return false
  if (code.startsWith('22')) return NO_VALUE.test(message)
  return /^(0[138A]|2[1358D]|4[024]|5[34578]|XX)/.test(code)
}

/** No quotation mark of any language and no digit, but for a type's own: `value too long for type character varying(5)`. */
const NO_VALUE = /^[^\d"'`«»‹›„“”‘’‚「」『』]*(\(\d+(,-?\d+)?\))?$/

/** `COPY items, line 12, column cents: "abc"`: the context says what the message does not. */
function copiedColumn({ where }: pg.DatabaseError): string | undefined {
  return /^COPY .+?, \p{L}+ \d+, \p{L}+ (.+?)(?:: "|$)/mu.exec(where ?? '')?.[1]
}

/** The function that raised it, which the innermost line of the context names: `PL/pgSQL function guard() line 3 at RAISE`. */
function raisedBy({ where, routine }: pg.DatabaseError): string {
  if (routine !== 'exec_stmt_raise') return ''
  const name = /^PL\/pgSQL\P{L}+\p{L}+ ([\w."]+\([\w., "[\]]*\))/u.exec(where ?? '')?.[1]
  return name === undefined ? ', raised by a function' : `, raised by ${name}`
}

/** Names of conditions (PostgreSQL documentation, appendix A) that one row can meet. */
const CONDITIONS: Readonly<Record<string, string>> = {
  '22000': 'data_exception',
  '22001': 'string_data_right_truncation',
  '22003': 'numeric_value_out_of_range',
  '22004': 'null_value_not_allowed',
  '22007': 'invalid_datetime_format',
  '22008': 'datetime_field_overflow',
  '22012': 'division_by_zero',
  '22015': 'interval_field_overflow',
  '22021': 'character_not_in_repertoire',
  '22023': 'invalid_parameter_value',
  '22030': 'duplicate_json_object_key_value',
  '22032': 'invalid_json_text',
  '2200N': 'invalid_xml_content',
  '2201B': 'invalid_regular_expression',
  '2202E': 'array_subscript_error',
  '22P02': 'invalid_text_representation',
  '22P03': 'invalid_binary_representation',
  '22P05': 'untranslatable_character',
  '23502': 'not_null_violation',
  '23503': 'foreign_key_violation',
  '23505': 'unique_violation',
  '23514': 'check_violation',
  '23P01': 'exclusion_violation',
  '42501': 'insufficient_privilege',
  '44000': 'with_check_option_violation',
  '54000': 'program_limit_exceeded',
  P0001: 'raise_exception',
}
