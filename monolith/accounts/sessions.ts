import { createHash, randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Knex } from 'knex'
import { Problem, unauthorized } from '../web/problem.ts'

export const SESSION_COOKIE = 'shop_session'
const LIFETIME_DAYS = 30

export interface Customer {
  readonly id: number
  readonly email: string
  readonly name: string
  readonly isAdmin: boolean
}

/** Who sends a request. A visitor gets a session with the first thing that needs one: a cart or a log-in. */
export interface Visitor {
  readonly sessionHash: Buffer | null
  readonly customer: Customer | null
  /** Units in the cart. */
  readonly cartCount: number
}

const NOBODY: Visitor = { sessionHash: null, customer: null, cartCount: 0 }

/** Sessions live in the database under the hash of the cookie's token, so who reads the table cannot log in with it. */
export interface Sessions {
  visitor(request: FastifyRequest): Promise<Visitor>
  /** The visitor's session, made now if there is none. Returns its hash. */
  ensure(visitor: Visitor, reply: FastifyReply): Promise<Buffer>
  /** Ties the session to the customer under a new token, so that an old one that leaked is worth nothing. */
  logIn(visitor: Visitor, reply: FastifyReply, customerId: number): Promise<void>
  /** Ends the session, and its cart with it. */
  logOut(visitor: Visitor, reply: FastifyReply): Promise<void>
}

export function createSessions(db: Knex): Sessions {
  const issue = async (reply: FastifyReply): Promise<Buffer> => {
    const token = randomBytes(32).toString('base64url')
    reply.setCookie(SESSION_COOKIE, token, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      maxAge: LIFETIME_DAYS * 24 * 60 * 60,
    })
    return hashToken(token)
  }
  const expiry = db.raw(`now() + interval '${LIFETIME_DAYS} days'`)

  return {
    async visitor(request) {
      const token = request.cookies[SESSION_COOKIE]
      if (token === undefined) return NOBODY
      const { rows } = await db.raw<{ rows: SessionRow[] }>(SESSION_SQL, [hashToken(token)])
      const [row] = rows
      if (row === undefined) return NOBODY
      const { id, email, name, is_admin: isAdmin } = row
      const customer = id === null ? null : { id, email, name, isAdmin }
      return { sessionHash: row.token_hash, customer, cartCount: row.cart_count }
    },

    async ensure(visitor, reply) {
      if (visitor.sessionHash !== null) return visitor.sessionHash
      const hash = await issue(reply)
      await db('sessions').insert({ token_hash: hash, expires_at: expiry })
      return hash
    },

    async logIn(visitor, reply, customerId) {
      const session = { token_hash: await issue(reply), customer_id: customerId, expires_at: expiry }
      const moved =
        visitor.sessionHash === null
          ? 0
          : await db('sessions').where({ token_hash: visitor.sessionHash }).update(session)
      if (moved === 0) await db('sessions').insert(session)
      await db('sessions').where('expires_at', '<', db.fn.now()).delete()
    },

    async logOut(visitor, reply) {
      reply.clearCookie(SESSION_COOKIE, { path: '/' })
      if (visitor.sessionHash !== null) await db('sessions').where({ token_hash: visitor.sessionHash }).delete()
    },
  }
}

/** @throws Problem 401 when nobody is logged in. */
export function requireCustomer(visitor: Visitor): Customer {
  if (visitor.customer === null) throw unauthorized('Log in first')
  return visitor.customer
}

/** @throws Problem 401 when nobody is logged in, 403 when it is not an administrator. */
export function requireAdmin(visitor: Visitor): Customer {
  const customer = requireCustomer(visitor)
  if (!customer.isAdmin) throw new Problem(403, 'forbidden', 'This needs an administrator')
  return customer
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

type SessionRow = { readonly token_hash: Buffer; readonly cart_count: number } & (
  | { readonly id: null; readonly email: null; readonly name: null; readonly is_admin: null }
  | { readonly id: number; readonly email: string; readonly name: string; readonly is_admin: boolean }
)

const SESSION_SQL = `
  select s.token_hash, c.id, c.email, c.name, c.is_admin,
         (select coalesce(sum(i.quantity), 0)::int from carts join cart_items i on i.cart_id = carts.id
          where carts.session_hash = s.token_hash) as cart_count
  from sessions s left join customers c on c.id = s.customer_id and c.deleted_at is null
  where s.token_hash = ? and s.expires_at > now()`
