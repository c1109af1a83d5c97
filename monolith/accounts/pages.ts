import type { FastifyInstance } from 'fastify'
import { type Html, html } from '../web/html.ts'
import { field, notice } from '../web/parts.ts'
import { Problem } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { authenticate, register } from './customers.ts'

type Form = Readonly<Record<string, string | undefined>>

/** Log in, register, log out. */
export function accountsPages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  app.get<{ Querystring: { next?: string } }>('/login', async (request, reply) =>
    pages.send(reply, await sessions.visitor(request), { title: 'Log in', body: loginPage(request.query) }),
  )

  for (const [path, enter] of [
    ['/login', authenticate],
    ['/register', register],
  ] as const) {
    app.post<{ Body: Form }>(path, async (request, reply) => {
      const visitor = await sessions.visitor(request)
      try {
        const customer = await enter(db, request.body)
        await sessions.logIn(visitor, reply, customer.id)
        return reply.redirect(localPath(request.body.next) ?? '/', 303)
      } catch (error) {
        if (!(error instanceof Problem)) throw error
        const body = loginPage(request.body, { path, problem: error })
        return pages.send(reply, visitor, { title: 'Log in', body, status: error.status })
      }
    })
  }

  app.post('/logout', async (request, reply) => {
    await sessions.logOut(await sessions.visitor(request), reply)
    return reply.redirect('/', 303)
  })
}

/** Where to go on after a log-in: a path of this shop, never another site. */
export function localPath(next: string | undefined): string | null {
  if (next === undefined || !next.startsWith('/')) return null
  const base = 'http://shop.invalid'
  return URL.canParse(next, base) && new URL(next, base).origin === base ? next : null
}

function loginPage(form: Form, failed?: { readonly path: string; readonly problem: Problem }): Html {
  const problemOf = (path: string) => (failed?.path === path ? failed.problem : undefined)
  const next = html`<input type="hidden" name="next" value="${form.next}">`
  const registering = problemOf('/register')
  return html`<form class="panel narrow" method="post" action="/login"><h1>Log in</h1>
  ${notice(problemOf('/login')?.message)}
  ${form.next !== undefined && failed === undefined && notice('Log in to go on.', 'good')}
  ${field({ name: 'email', label: 'E-mail', type: 'email', value: form.email, autocomplete: 'username', required: true })}
  ${field({ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password', required: true })}
  ${next}<button>Log in</button>
  <p class="soft">To look around: ada@shop.example / shop, or admin@shop.example / admin for the back office.</p>
</form>
<form class="panel narrow" method="post" action="/register"><h2>New here?</h2>
  ${field({ name: 'name', label: 'Name', value: form.name, autocomplete: 'name', required: true, problem: registering?.fields?.name })}
  ${field({ name: 'email', label: 'E-mail', type: 'email', value: registering && form.email, autocomplete: 'email', required: true, problem: registering?.fields?.email })}
  ${field({ name: 'password', label: 'Password', type: 'password', hint: '8 characters or more', autocomplete: 'new-password', required: true, problem: registering?.fields?.password })}
  ${next}<button class="quiet">Make an account</button>
</form>`
}
