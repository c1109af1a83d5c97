import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { requireCustomer, type Visitor } from '../accounts/sessions.ts'
import { listReviews, type ReviewSummary, writeReview } from '../reviews/review-store.ts'
import { type StockLevel, stockLevel } from '../stock/stock.ts'
import { type Html, html } from '../web/html.ts'
import { day, field, notice, pager, price, productGrid, productImage, select, stars } from '../web/parts.ts'
import { notFound } from '../web/problem.ts'
import type { Shop } from '../web/shop.ts'
import { routeId } from '../web/validation.ts'
import { type Category, findCategory, listBrands, listCategories, withDescendants } from './category.ts'
import type { Product } from './product.ts'
import { type ProductQuery, parseProductQuery } from './product-query.ts'
import { findProduct, listProducts, type ProductPage } from './product-store.ts'

const PER_PAGE = 24

/** The front page, the categories, the search, the products. */
export function catalogPages(app: FastifyInstance, { db, sessions, pages }: Shop): void {
  app.get('/', async (request, reply) => {
    const visitor = await sessions.visitor(request)
    const [categories, bestsellers, fresh] = await Promise.all([
      listCategories(db),
      listBestsellers(db, 10),
      listProducts(db, { ...parseProductQuery({}), tag: 'new', per_page: 10, sort: 'name' }),
    ])
    return pages.send(reply, visitor, {
      title: 'Things for the house',
      body: homePage(categories, bestsellers, fresh.items),
    })
  })

  app.get<{ Params: { slug: string } }>('/c/:slug', async (request, reply) => {
    const { slug } = request.params
    const category = slug.includes('\0') ? null : await findCategory(db, slug)
    if (category === null) throw notFound(`Category "${slug}"`)
    const { category: _, ...query } = parseProductQuery({ per_page: String(PER_PAGE), ...asFields(request.query) })
    const categories = await listCategories(db)
    const [visitor, products] = await Promise.all([
      sessions.visitor(request),
      listProducts(db, query, { categoryIds: withDescendants(categories, category.id) }),
    ])
    return pages.send(reply, visitor, {
      title: category.name.en,
      body: categoryPage(category, categories, products, query),
    })
  })

  app.get('/search', async (request, reply) => {
    const query = parseProductQuery({ per_page: String(PER_PAGE), ...asFields(request.query) })
    const [visitor, products, brands] = await Promise.all([
      sessions.visitor(request),
      listProducts(db, query),
      listBrands(db),
    ])
    const brand = brands.find(({ id }) => id === query.brand)?.name
    const what = [query.q, query.tag, brand].filter(text => text !== undefined).join(', ')
    return pages.send(reply, visitor, {
      title: what === '' ? 'All products' : `Search: ${what}`,
      search: query.q ?? '',
      body: html`<div class="toolbar"><h1>${what === '' ? 'All products' : html`“${what}”`}
        <small class="soft">${products.total} found</small></h1>${sortForm('/search', query)}</div>
        ${productGrid(products.items)}${pageLinks('/search', products, query)}`,
    })
  })

  app.get<{ Params: { id: string } }>('/p/:id', async (request, reply) => {
    const product = await productOf(db, request.params.id)
    const visitor = await sessions.visitor(request)
    return pages.send(reply, visitor, await productPage(db, product, visitor))
  })

  app.post<{ Params: { id: string } }>('/p/:id/reviews', async (request, reply) => {
    const product = await productOf(db, request.params.id)
    const customer = requireCustomer(await sessions.visitor(request))
    const { rating, title, body } = asFields(request.body)
    await writeReview(db, product.id, customer.id, { rating: Number(rating), title, body })
    return reply.redirect(`/p/${product.id}#reviews`, 303)
  })
}

/** What a form or a query holds. */
function asFields(input: unknown): Record<string, unknown> {
  return { ...(typeof input === 'object' ? input : {}) }
}

async function productOf(db: Knex, idText: string): Promise<Product> {
  const id = routeId(idText)
  const product = id === null ? null : await findProduct(db, id)
  if (product === null) throw notFound('This product')
  return product
}

/** From the materialized view, which the back office refreshes; what has left the shop since then is passed over. */
async function listBestsellers(db: Knex, count: number): Promise<Product[]> {
  const best = await db('bestsellers as b')
    .join('products as p', 'p.id', 'b.product_id')
    .where({ active: true, deleted_at: null })
    .orderBy('b.units', 'desc')
    .limit(count)
    .select<{ id: number }[]>('p.id')
  const products = await Promise.all(best.map(({ id }) => findProduct(db, id)))
  return products.filter(product => product !== null)
}

function homePage(categories: readonly Category[], bestsellers: readonly Product[], fresh: readonly Product[]): Html {
  const shelves = categories.filter(category => category.parent_id !== null)
  return html`<section class="hero">
  <div>
    <h1>Made slowly,<br>used every day.</h1>
    <p>Teapots, lamps, notebooks and watering cans from small workshops all over Europe, chosen by three generations of one family.</p>
    <p><a class="button" href="/search?tag=new">See what is new</a> <a class="button quiet" href="/search?tag=gift">Gifts</a></p>
  </div>
  <div class="pictures">${[
    'vases/terracotta/3-1',
    'table-lamps/ochre/2-1',
    'cups/navy/5-2',
    'candles/sage/4-1',
    'chairs/blue/6-1',
    'watering/green/8-1',
  ].map(name => html`<img src="/images/${name}.svg" alt="">`)}</div>
</section>
<h2>Bestsellers</h2>
${productGrid(bestsellers)}
<h2>Shelves</h2>
<ul class="tiles">${shelves.map(shelfTile)}</ul>
<h2>New</h2>
${productGrid(fresh)}`
}

function shelfTile({ slug, name, id }: Category): Html {
  const shelf = slug.slice(slug.indexOf('-') + 1)
  const color = ['terracotta', 'sage', 'navy', 'ochre', 'natural'][id % 5]
  return html`<li class="tile"><a href="/c/${slug}"><img src="/images/${shelf}/${color}/${id}-1.svg" alt="">${name.en}</a></li>`
}

type Listed = Omit<ProductQuery, 'category'>

function categoryPage(category: Category, all: readonly Category[], products: ProductPage, query: Listed): Html {
  const parent = all.find(({ id }) => id === category.parent_id)
  const below = all.filter(({ parent_id }) => parent_id === category.id)
  const path = `/c/${category.slug}`
  return html`<p class="crumbs"><a href="/">Shop</a>${parent && html` › <a href="/c/${parent.slug}">${parent.name.en}</a>`}</p>
<div class="toolbar"><h1>${category.name.en} <small class="soft">${products.total} products</small></h1>${sortForm(path, query)}</div>
${below.length > 0 && html`<ul class="tiles">${below.map(shelfTile)}</ul>`}
${productGrid(products.items)}
${pageLinks(path, products, query)}`
}

/** The query as an address, without what is the default. */
function address(path: string, { q, tag, brand, sort }: Listed, page: number): string {
  const search = new URLSearchParams({
    ...(q !== undefined && { q }),
    ...(tag !== undefined && { tag }),
    ...(brand !== undefined && { brand: String(brand) }),
    ...(sort !== 'id' && { sort }),
    ...(page !== 1 && { page: String(page) }),
  })
  return search.size === 0 ? path : `${path}?${search}`
}

function pageLinks(path: string, products: ProductPage, query: Listed): Html | null {
  return pager(products.page, Math.ceil(products.total / products.per_page), page => address(path, query, page))
}

function sortForm(path: string, { q, tag, brand, sort }: Listed): Html {
  const kept = Object.entries({ q, tag, brand }).filter(([, value]) => value !== undefined)
  return html`<form action="${path}">${kept.map(([key, value]) => html`<input type="hidden" name="${key}" value="${value}">`)}
  <select name="sort" aria-label="Sort by">${(
    [
      ['id', 'Oldest first'],
      ['name', 'By name'],
      ['price', 'Cheapest first'],
      ['-price', 'Dearest first'],
    ] as const
  ).map(
    ([value, text]) => html`<option value="${value}" ${value === sort && html`selected`}>${text}</option>`,
  )}</select>
  <button class="quiet">Sort</button></form>`
}

async function productPage(db: Knex, product: Product, visitor: Visitor) {
  const [stock, reviews] = await Promise.all([
    stockLevel(db, product.id),
    listReviews(db, product.id),
    db('page_views').insert({
      path: `/p/${product.id}`,
      product_id: product.id,
      customer_id: visitor.customer?.id ?? null,
    }),
  ])
  return { title: product.name.en, body: productBody(product, stock, reviews, visitor) }
}

function productBody(product: Product, stock: StockLevel, reviews: ReviewSummary, visitor: Visitor): Html {
  const { category, brand, description } = product
  const [text = '', certificate] = description.en.split('Certificate of conformity\n')
  return html`<p class="crumbs"><a href="/">Shop</a> › <a href="/c/${category.slug}">${category.name.en}</a></p>
<div class="product">
  <div class="gallery">${productImage(product)}
    ${product.images.length > 1 && html`<div class="more">${product.images.slice(1).map((_, index) => productImage(product, index + 1))}</div>`}
  </div>
  <div>
    <p class="soft">${brand && html`<a href="/search?brand=${brand.id}">${brand.name}</a>`}</p>
    <h1>${product.name.en}</h1>
    ${reviews.average !== null && html`<p>${stars(Number(reviews.average))} <a class="soft" href="#reviews">${reviews.count} reviews</a></p>`}
    <p>${price(product)}</p>
    ${stockLine(stock.on_hand)}
    <form class="buy" method="post" action="/cart/items">
      <input type="hidden" name="product_id" value="${product.id}">
      <input type="number" name="quantity" value="1" min="1" max="99" aria-label="Quantity">
      <button ${stock.on_hand <= 0 && html`disabled`}>Add to cart</button>
    </form>
    ${text.split('\n\n').map(paragraph => paragraph !== '' && html`<p>${paragraph}</p>`)}
    ${facts(product)}
    <p class="tags">${product.tags.map(tag => html`<a href="/search?${new URLSearchParams({ tag }).toString()}">${tag}</a>`)}</p>
    ${certificate !== undefined && html`<details><summary>Certificate of conformity</summary><pre>${certificate}</pre></details>`}
  </div>
</div>
${reviewsBody(product, reviews, visitor)}`
}

function stockLine(onHand: number): Html {
  if (onHand <= 0) return html`<p class="stock out">Sold out</p>`
  return onHand < 5
    ? html`<p class="stock low">Only ${onHand} left</p>`
    : html`<p class="stock">In stock, with you in 2–4 days</p>`
}

function facts(product: Product): Html {
  const { weight_g: weight, attributes } = product
  const rows: [string, string | null][] = [
    ['Article', product.sku],
    ['Colour', product.color],
    ['Size', product.size],
    ['Weight', weight === null ? null : weight < 1_000 ? `${weight} g` : `${(weight / 1_000).toFixed(1)} kg`],
    ...Object.entries(attributes).map(([key, value]): [string, string] => [label(key), fact(value)]),
  ]
  return html`<dl class="facts">${rows.map(([key, value]) => value !== null && html`<dt>${key}</dt><dd>${value}</dd>`)}</dl>`
}

/** `dishwasher_safe` -> `Dishwasher safe`. */
function label(key: string): string {
  const words = key.replaceAll('_', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

function fact(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (Array.isArray(value)) return value.map(fact).join(', ')
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([key, inner]) => `${label(key).toLowerCase()} ${fact(inner)}`)
    .join(', ')
}

function reviewsBody(product: Product, reviews: ReviewSummary, visitor: Visitor): Html {
  const ratings = [5, 4, 3, 2, 1].map(rating => [String(rating), '★'.repeat(rating)] as const)
  return html`<h2 id="reviews">Reviews ${reviews.average !== null && html`<small class="soft">${reviews.average} of 5</small>`}</h2>
<div class="reviews">
  <div>${reviews.items.map(
    review => html`<article class="review">${stars(review.rating)} <strong>${review.title}</strong>
      <p>${review.body}</p><p class="soft">${review.author}, ${day(review.created_at)}</p></article>`,
  )}${reviews.count === 0 && html`<p class="soft">Nobody has written about this yet.</p>`}</div>
  ${
    visitor.customer === null
      ? notice('Log in to write a review.', 'good')
      : html`<form class="panel" method="post" action="/p/${product.id}/reviews"><h3>Write a review</h3>
      ${select('rating', 'Rating', ratings, '5')}
      ${field({ name: 'title', label: 'Title', required: true })}
      <label class="field">Review <textarea name="body" rows="4"></textarea></label>
      <button>Send</button></form>`
  }
</div>`
}
