import type { Brand, Category } from '../catalog/category.ts'
import type { ProductRow } from '../catalog/product.ts'
import { type Html, html } from '../web/html.ts'
import { field, notice, select } from '../web/parts.ts'
import { invalid, type Problem } from '../web/problem.ts'

/** A product as a form holds it: every field is text; a checkbox that is not ticked is absent. */
export type ProductForm = Readonly<Record<string, string | undefined>>

/** What a new product starts with. */
export const EMPTY_FORM: ProductForm = { currency: 'EUR', tax_class: 'standard', attributes: '{}', active: 'on' }

export function toForm(row: ProductRow): ProductForm {
  return {
    sku: row.sku,
    name_en: row.name_en,
    name_de: row.name_de ?? '',
    name_fr: row.name_fr ?? '',
    description_en: row.description_en ?? '',
    description_de: row.description_de ?? '',
    category_id: String(row.category_id),
    brand_id: row.brand_id === null ? '' : String(row.brand_id),
    amount: row.price,
    sale: row.sale_price ?? '',
    currency: row.currency,
    tax_class: row.tax_class ?? '',
    color: row.color ?? '',
    size: row.size ?? '',
    weight_g: row.weight_g === null ? '' : String(row.weight_g),
    attributes: JSON.stringify(row.attributes, null, 2),
    tags: row.tags.join('\n'),
    images: row.images.map(({ url, alt }) => (alt === null ? url : `${url} ${alt}`)).join('\n'),
    ...(row.active && { active: 'on' }),
  }
}

/**
 * The form as a body of the JSON API, which is checked there. What a person left empty becomes null.
 *
 * @throws Problem 422 when the attributes are not JSON.
 */
export function toBody(form: ProductForm): Record<string, unknown> {
  const orNull = (name: string) => (form[name]?.trim() ? form[name].trim() : null)
  const numberOrNull = (name: string) => (orNull(name) === null ? null : Number(form[name]))
  return {
    sku: form.sku,
    name: { en: form.name_en, de: orNull('name_de'), fr: orNull('name_fr') },
    description: { en: unixLines(form.description_en ?? ''), de: unixLines(form.description_de ?? '') },
    category: { id: numberOrNull('category_id') },
    brand: orNull('brand_id') === null ? null : { id: numberOrNull('brand_id') },
    price: { amount: form.amount?.trim(), sale: orNull('sale'), currency: form.currency?.trim().toUpperCase() },
    tax_class: orNull('tax_class'),
    color: orNull('color'),
    size: orNull('size'),
    weight_g: numberOrNull('weight_g'),
    attributes: attributesOf(form),
    tags: lines(form.tags),
    images: lines(form.images).map(line => {
      const [url = '', ...alt] = line.split(/\s+/)
      return { url, alt: alt.length === 0 ? null : alt.join(' ') }
    }),
    active: form.active !== undefined,
  }
}

/** Forms send line ends as CRLF. */
function unixLines(text: string): string {
  return text.replaceAll('\r\n', '\n')
}

function lines(text = ''): string[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
}

function attributesOf(form: ProductForm): unknown {
  try {
    return JSON.parse(form.attributes?.trim() || '{}')
  } catch {
    throw invalid({ attributes: 'must be JSON, such as {"material": "oak"}' })
  }
}

export interface FormChoices {
  readonly categories: readonly Category[]
  readonly brands: readonly Brand[]
}

export function productFormPage(action: string, form: ProductForm, choices: FormChoices, problem?: Problem): Html {
  const at = (name: string, label: string, path = name, hint?: string) =>
    field({ name, label, value: form[name], problem: problem?.fields?.[path], ...(hint !== undefined && { hint }) })
  const area = (
    name: string,
    label: string,
    rows: number,
    path = name,
    hint?: string,
  ) => html`<label class="field">${label}
    ${hint !== undefined && html`<small>${hint}</small>`}<textarea name="${name}" rows="${rows}">${form[name]}</textarea>
    ${problem?.fields?.[path] !== undefined && html`<em class="problem">${problem.fields[path]}</em>`}</label>`
  const parents = new Map(choices.categories.map(({ id, name }) => [id, name.en]))
  const categories = choices.categories.map(({ id, name, parent_id }) => {
    const label = parent_id === null ? name.en : `${parents.get(parent_id)} › ${name.en}`
    return [String(id), label] as const
  })
  const brands = choices.brands.map(({ id, name }) => [String(id), name] as const)
  return html`${notice(problem?.message)}
<form class="columns" method="post" action="${action}">
  <div class="panel">
    <div class="pair">${at('sku', 'SKU')}${select('category_id', 'Category', categories, form.category_id ?? '')}</div>
    ${at('name_en', 'Name', 'name.en')}
    <div class="pair">${at('name_de', 'Name, German', 'name.de')}${at('name_fr', 'Name, French', 'name.fr')}</div>
    ${area('description_en', 'Description', 8, 'description.en')}
    ${area('description_de', 'Description, German', 5, 'description.de')}
    ${area('attributes', 'Attributes', 5, 'attributes', 'JSON')}
  </div>
  <div class="panel">
    <div class="pair">${at('amount', 'Price', 'price.amount')}${at('sale', 'Sale price', 'price.sale')}</div>
    <div class="pair">${at('currency', 'Currency', 'price.currency')}
      ${select(
        'tax_class',
        'VAT',
        [
          ['', 'none'],
          ['standard', 'standard'],
          ['reduced', 'reduced'],
        ],
        form.tax_class ?? '',
      )}</div>
    ${select('brand_id', 'Brand', [['', 'none'], ...brands], form.brand_id ?? '')}
    <div class="pair">${at('color', 'Colour')}${at('size', 'Size')}</div>
    ${at('weight_g', 'Weight', 'weight_g', 'grams')}
    ${area('tags', 'Tags', 3, 'tags', 'one a line')}
    ${area('images', 'Pictures', 3, 'images', 'one a line: address, then a description')}
    <label class="field"><input type="checkbox" name="active" ${form.active !== undefined && html`checked`}> On sale</label>
    <button>Save</button>
  </div>
</form>`
}
