import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Knex } from 'knex'
import type { Visitor } from '../accounts/sessions.ts'
import { type Category, listCategories } from '../catalog/category.ts'
import { type Html, html, raw } from './html.ts'

export interface PageContent {
  readonly title: string
  readonly body: Html
  readonly status?: number
  /** What the search field holds. */
  readonly search?: string
}

/** Puts the shop's frame around what a route has to show. */
export interface Pages {
  send(reply: FastifyReply, visitor: Visitor, content: PageContent): Promise<FastifyReply>
}

/** Registers `/style.css`. */
export function createPages(app: FastifyInstance, db: Knex): Pages {
  const style = readFileSync(new URL('style.css', import.meta.url), 'utf8')
  const version = createHash('sha256').update(style).digest('hex').slice(0, 8)
  app.get('/style.css', { logLevel: 'warn' }, (_request, reply) =>
    reply.type('text/css; charset=utf-8').header('cache-control', 'public, max-age=604800').send(style),
  )

  return {
    async send(reply, visitor, content) {
      const departments = (await listCategories(db)).filter(category => category.parent_id === null)
      return reply
        .code(content.status ?? 200)
        .type('text/html; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(frame(content, visitor, departments, `/style.css?v=${version}`).markup)
    },
  }
}

function frame(content: PageContent, visitor: Visitor, departments: readonly Category[], style: string): Html {
  return html`${raw('<!doctype html>')}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${content.title} · Lindgren & Daughters</title>
<link rel="stylesheet" href="${style}">
<link rel="icon" href="/images/teapots/green/1-1.svg">
</head>
<body>
<header class="site">
  <div class="bar">
    <a class="brand" href="/">Lindgren <span>&</span> Daughters</a>
    <form class="search" action="/search" role="search">
      <input type="search" name="q" value="${content.search}" placeholder="Search teapots, oak, gift …" aria-label="Search">
      <button>Search</button>
    </form>
    <nav class="account" aria-label="Account">${account(visitor)}
      <a class="cart" href="/cart">Cart${visitor.cartCount > 0 && html` <b>${visitor.cartCount}</b>`}</a>
    </nav>
  </div>
  <nav class="departments" aria-label="Departments">${departments.map(
    ({ slug, name }) => html`<a href="/c/${slug}">${name.en}</a>`,
  )}</nav>
</header>
<main>
${content.body}
</main>
<footer class="site">
  <p class="imprint">Things for the house, since 1957. Prices include VAT. Shipping 4.90, free from 50.00.</p>
</footer>
</body>
</html>`
}

function account({ customer }: Visitor): Html {
  if (customer === null) return html`<a href="/login">Log in</a>`
  return html`${customer.isAdmin && html`<a href="/admin">Back office</a>`}
    <a href="/orders">${customer.name}</a>
    <form method="post" action="/logout"><button class="link">Log out</button></form>`
}
