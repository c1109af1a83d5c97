import type { Knex } from 'knex'
import { z } from 'zod'
import { invalid, unauthorized } from '../web/problem.ts'
import { check, text } from '../web/validation.ts'
import { hashPassword, verifyPassword } from './password.ts'
import type { Customer } from './sessions.ts'

const email = text(254, 1).refine(value => /^[^\s@]+@[^\s@]+$/.test(value), 'must be an e-mail address')
const password = z.string({ error: 'must be text' }).max(200, 'must have at most 200 characters')
const credentials = z.object({ email, password: password.min(1, 'must not be empty') })
const registration = z.object({
  email,
  name: text(200, 1),
  password: password.min(8, 'must have at least 8 characters'),
})

interface CustomerRow {
  readonly id: number
  readonly email: string
  readonly name: string
  readonly is_admin: boolean
  readonly password_hash: string
}

/** Checked when nobody has the address, so that the time of the answer does not tell. It matches no password. */
const NO_HASH = `scrypt$${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * @param body `{email, password}`; upper and lower case in the address are the same.
 * @throws Problem 401 when they do not match, 422 when one is missing.
 */
export async function authenticate(db: Knex, body: unknown): Promise<Customer> {
  const given = check(credentials, body)
  const row = await db('customers')
    .whereRaw('lower(email) = lower(?)', [given.email])
    .whereNull('deleted_at')
    .first<CustomerRow | undefined>()
  const matches = await verifyPassword(given.password, row?.password_hash ?? NO_HASH)
  if (row === undefined || !matches) throw unauthorized('The e-mail address or the password is wrong')
  return { id: row.id, email: row.email, name: row.name, isAdmin: row.is_admin }
}

/**
 * @param body `{email, name, password}`
 * @throws Problem 422 when a field is wrong or the address has an account.
 */
export async function register(db: Knex, body: unknown): Promise<Customer> {
  const given = check(registration, body)
  const [row] = await db('customers')
    .insert({ email: given.email, name: given.name, password_hash: await hashPassword(given.password) })
    .onConflict(db.raw('(lower(email)) where deleted_at is null'))
    .ignore()
    .returning<{ id: number }[]>('id')
  if (row === undefined) throw invalid({ email: 'already has an account' })
  return { id: row.id, email: given.email, name: given.name, isAdmin: false }
}
