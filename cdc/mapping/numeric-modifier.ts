/** PostgreSQL's OIDs of `numeric` and of arrays of it (catalog/pg_type.dat). */
const NUMERIC = 1700
const NUMERIC_ARRAY = 1231

/** The digits in all; utils/adt/numeric.c: numeric_typmod_precision. */
function precisionOf(modifier: number): number {
  return ((modifier - 4) >> 16) & 0xffff
}

/**
 * The digits that a numeric keeps behind its point (utils/adt/numeric.c: numeric_typmod_scale), or null where they are
 * not limited.
 */
export function scaleOf(modifier: number): number | null {
  if (modifier < 0) return null
  return (((modifier - 4) & 0x7ff) ^ 1024) - 1024
}

/** A numeric type as in SQL, with the precision and scale that it is limited to; undefined for every other type. */
export function preciseNumeric(typeOid: number, modifier: number): string | undefined {
  const scale = scaleOf(modifier)
  if (scale === null || (typeOid !== NUMERIC && typeOid !== NUMERIC_ARRAY)) return undefined
  return `numeric(${precisionOf(modifier)},${scale})${typeOid === NUMERIC_ARRAY ? '[]' : ''}`
}
