import { type Product, priceToPay } from '../catalog/product.ts'
import { type Html, html } from './html.ts'

/** `1990.00` -> `€ 1,990.00`. */
export function money(amount: string): Html {
  const [units = '0', decimals = '00'] = amount.split('.')
  return html`€ ${units.replace(/\B(?=(\d{3})+$)/g, ',')}.${decimals}`
}

export function price({ price: { amount, sale } }: Pick<Product, 'price'>): Html {
  if (sale === null) return html`<span class="price">${money(amount)}</span>`
  return html`<span class="price sale">${money(sale)} <s>${money(amount)}</s></span>`
}

export function productGrid(products: readonly Product[]): Html {
  if (products.length === 0) return html`<p class="empty">Nothing here that matches.</p>`
  return html`<ul class="grid">${products.map(productCard)}</ul>`
}

function productCard(product: Product): Html {
  return html`<li class="card"><a href="/p/${product.id}">
  ${productImage(product)}
  <span class="maker">${product.brand?.name ?? 'Lindgren & Daughters'}</span>
  <strong>${product.name.en}</strong>
  ${price(product)}
  ${badge(product)}
</a></li>`
}

function badge(product: Product): Html | null {
  if (product.price.sale !== null) {
    const off = Math.round((1 - Number(priceToPay(product)) / Number(product.price.amount)) * 100)
    return off > 0 ? html`<span class="badge sale">−${off} %</span>` : null
  }
  return product.tags.includes('new') ? html`<span class="badge">new</span>` : null
}

export function productImage(product: Product, index = 0): Html {
  const image = product.images[index]
  return html`<img src="${image?.url ?? '/images/box/natural/1-1.svg'}" alt="${image?.alt ?? product.name.en}" loading="lazy">`
}

export function stars(rating: number): Html {
  const full = Math.round(rating)
  return html`<span class="stars" role="img" aria-label="${rating} of 5">${'★'.repeat(full)}<i>${'★'.repeat(5 - full)}</i></span>`
}

/** `2026-01-02T03:04:05.123456Z` -> `2 January 2026`. */
export function day(iso: string): Html {
  const format = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' })
  return html`<time datetime="${iso}">${format.format(new Date(iso))}</time>`
}

/** Links to the pages around; `url` gives the address of a page. */
export function pager(page: number, pages: number, url: (page: number) => string): Html | null {
  if (pages <= 1) return null
  return html`<nav class="pager" aria-label="Pages">
  ${page > 1 ? html`<a href="${url(page - 1)}" rel="prev">← Back</a>` : html`<span></span>`}
  <span>Page ${page} of ${pages}</span>
  ${page < pages ? html`<a href="${url(page + 1)}" rel="next">Next →</a>` : html`<span></span>`}
</nav>`
}

export interface Field {
  readonly name: string
  readonly label: string
  readonly value?: string | number | null | undefined
  readonly type?: string
  readonly hint?: string
  readonly autocomplete?: string
  /** What is wrong with it, as a phrase that follows its name. */
  readonly problem?: string | undefined
  readonly required?: boolean
}

export function field(options: Field): Html {
  const { name, label, value, type = 'text', hint, autocomplete, problem, required = false } = options
  return html`<label class="field">${label}${hint !== undefined && html` <small>${hint}</small>`}
  <input name="${name}" type="${type}" value="${value}" ${required && html`required`}
    ${autocomplete !== undefined && html`autocomplete="${autocomplete}"`} ${problem !== undefined && html`aria-invalid="true"`}>
  ${problem !== undefined && html`<em class="problem">${problem}</em>`}</label>`
}

export function select(
  name: string,
  label: string,
  options: readonly (readonly [string, string])[],
  chosen: string,
): Html {
  return html`<label class="field">${label}
  <select name="${name}">${options.map(
    ([value, text]) => html`<option value="${value}" ${value === chosen && html`selected`}>${text}</option>`,
  )}</select></label>`
}

export function notice(text: string | null | undefined, kind: 'good' | 'bad' = 'bad'): Html | null {
  return text ? html`<p class="notice ${kind}" role="status">${text}</p>` : null
}
