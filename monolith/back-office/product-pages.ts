import type { FastifyInstance, FastifyRequest } from 'fastify'
import { requireAdmin } from '../accounts/sessions.ts'
import { listBrands, listCategories } from '../catalog/category.ts'
import type { ProductRow } from '../catalog/product.ts'
import { parseProduct } from '../catalog/product-body.ts'
import { parseProductQuery } from '../catalog/product-query.ts'
import {
  deleteProduct,
  findProductRow,
  insertProduct,
  listProducts,
  restoreProduct,
  updateProduct,
} from '../catalog/product-store.ts'
import { statusBadge } from '../orders/pages.ts'
import { moveStock, stockLevel } from '../stock/stock.ts'
import { type Html, html } from '../web/html.ts'
import { day, field, money, notice, pager, select } from '../web/parts.ts'
import { notFound, Problem } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { routeId } from '../web/validation.ts'
import { subnav } from './pages.ts'
import { EMPTY_FORM, type ProductForm, productFormPage, toBody, toForm } from './product-form.ts'

type ById = { Params: { id: string } }
type Saved = { Querystring: { saved?: string } }

/** The back office's products: every state, and every change, checked as the JSON API checks it. */
export function productPages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  const choices = async () => ({ categories: await listCategories(db), brands: await listBrands(db) })
  const adminOf = async (request: FastifyRequest) => {
    const visitor = await sessions.visitor(request)
    return { visitor, actor: requireAdmin(visitor).email }
  }

  app.get('/admin/products', async (request, reply) => {
    const { visitor } = await adminOf(request)
    const query = parseProductQuery({ per_page: '50', ...(request.query ?? {}) })
    const { rows, total } = await listProducts(db, query, { audience: 'back-office' })
    const body = html`${subnav()}<div class="toolbar"><h1>Products <small class="soft">${total}</small></h1>
      <form action="/admin/products"><input type="search" name="q" value="${query.q}" placeholder="SKU, name, tag" aria-label="Search products">
      <button class="quiet">Search</button> <a class="button" href="/admin/products/new">New product</a></form></div>
      ${productTable(rows)}
      ${pager(query.page, Math.ceil(total / query.per_page), page => `/admin/products?${new URLSearchParams({ q: query.q ?? '', page: String(page) })}`)}`
    return pages.send(reply, visitor, { title: 'Products', body })
  })

  app.get('/admin/products/new', async (request, reply) => {
    const { visitor } = await adminOf(request)
    const body = html`${subnav()}<h1>New product</h1>${productFormPage('/admin/products/new', EMPTY_FORM, await choices())}`
    return pages.send(reply, visitor, { title: 'New product', body })
  })

  app.post<{ Body: ProductForm }>('/admin/products/new', async (request, reply) => {
    const { visitor, actor } = await adminOf(request)
    try {
      const product = await insertProduct(db, parseProduct(toBody(request.body)), actor)
      return reply.redirect(`/admin/products/${product.id}?saved`, 303)
    } catch (error) {
      const problem = formProblem(error)
      const form = productFormPage('/admin/products/new', request.body, await choices(), problem)
      return pages.send(reply, visitor, {
        title: 'New product',
        body: html`${subnav()}<h1>New product</h1>${form}`,
        status: 422,
      })
    }
  })

  app.get<ById & Saved>('/admin/products/:id', async (request, reply) => {
    const { visitor } = await adminOf(request)
    const row = await rowOf(request)
    const body = await editPage(row, toForm(row), request.query.saved !== undefined)
    return pages.send(reply, visitor, { title: row.name_en, body })
  })

  app.post<ById & { Body: ProductForm }>('/admin/products/:id', async (request, reply) => {
    const { visitor, actor } = await adminOf(request)
    const row = await rowOf(request)
    try {
      await updateProduct(db, row.id, parseProduct(toBody(request.body)), actor)
      return reply.redirect(`/admin/products/${row.id}?saved`, 303)
    } catch (error) {
      const body = await editPage(row, request.body, false, formProblem(error))
      return pages.send(reply, visitor, { title: row.name_en, body, status: 422 })
    }
  })

  for (const [verb, change] of [
    ['delete', deleteProduct],
    ['restore', restoreProduct],
  ] as const) {
    app.post<ById>(`/admin/products/:id/${verb}`, async (request, reply) => {
      const { actor } = await adminOf(request)
      const { id } = await rowOf(request)
      await change(db, id, actor)
      return reply.redirect(`/admin/products/${id}?saved`, 303)
    })
  }

  app.post<ById & { Body: { delta?: string; reason?: string } }>(
    '/admin/products/:id/stock',
    async (request, reply) => {
      const { actor } = await adminOf(request)
      const { id } = await rowOf(request)
      await moveStock(db, id, { delta: Number(request.body.delta), reason: request.body.reason }, actor)
      return reply.redirect(`/admin/products/${id}?saved`, 303)
    },
  )

  async function rowOf(request: FastifyRequest<ById>): Promise<ProductRow> {
    const id = routeId(request.params.id)
    const row = id === null ? null : await findProductRow(db, id)
    if (row === null) throw notFound(`Product ${request.params.id}`)
    return row
  }

  async function editPage(row: ProductRow, form: ProductForm, saved: boolean, problem?: Problem): Promise<Html> {
    const stock = await stockLevel(db, row.id)
    return html`${subnav()}${saved && notice('Saved.', 'good')}
      <div class="toolbar"><h1>${row.name_en} ${statusBadge(stateOf(row))}</h1>
        <p class="soft"><a href="/p/${row.id}">in the shop</a> · changed ${day(row.updated_at)}</p></div>
      ${productFormPage(`/admin/products/${row.id}`, form, await choices(), problem)}
      <div class="columns">
        <form class="panel" method="post" action="/admin/products/${row.id}/stock"><h2>Stock: ${stock.on_hand}</h2>
          <div class="pair">${field({ name: 'delta', label: 'Change', type: 'number', value: 10, required: true })}
          ${select(
            'reason',
            'Reason',
            [
              ['delivery', 'delivery'],
              ['return', 'return'],
              ['correction', 'correction'],
            ],
            'delivery',
          )}</div>
          <button class="quiet">Book</button></form>
        ${
          row.deleted_at === null
            ? html`<form class="panel" method="post" action="/admin/products/${row.id}/delete"><h2>Delete</h2>
              <p class="soft">Orders and reviews keep it.</p><button class="danger">Delete the product</button></form>`
            : html`<form class="panel" method="post" action="/admin/products/${row.id}/restore"><h2>Deleted</h2>
              <p class="soft">On ${day(row.deleted_at)}.</p><button class="quiet">Put it back</button></form>`
        }
      </div>`
  }
}

/** Only what a person can mend in the form goes back into the form. */
function formProblem(error: unknown): Problem {
  if (error instanceof Problem && error.status === 422) return error
  throw error
}

function stateOf(row: ProductRow): 'deleted' | 'active' | 'hidden' {
  if (row.deleted_at !== null) return 'deleted'
  return row.active ? 'active' : 'hidden'
}

function productTable(rows: readonly ProductRow[]): Html {
  return html`<div class="wide"><table>
  <tr><th></th><th>SKU</th><th>Name</th><th>Category</th><th>State</th><th class="number">Price</th><th class="number">Sale</th></tr>
  ${rows.map(
    row => html`<tr>
    <td>${row.image_url !== null && html`<img src="${row.image_url}" alt="" loading="lazy">`}</td><td>${row.sku}</td>
    <td><a href="/admin/products/${row.id}">${row.name_en}</a></td><td>${row.category_name_en}</td>
    <td>${statusBadge(stateOf(row))}</td><td class="number">${money(row.price)}</td>
    <td class="number">${row.sale_price !== null && money(row.sale_price)}</td></tr>`,
  )}
</table></div>`
}
