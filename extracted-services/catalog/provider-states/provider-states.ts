import type { FastifyInstance } from 'fastify'
import type { Knex } from 'knex'
import { z } from 'zod'
import { toMinor } from '../products/money.ts'
import { Problem } from '../web/problem.ts'
import { check, id, text } from '../web/validation.ts'

/**
 * Brings the database into the state that a contract's interaction starts from. May be called again and again. The
 * states and their rows are the same as the shop's, so that one pact can be verified against either.
 */
type State = (db: Knex, params: unknown) => Promise<void>

const CATEGORY = { id: 9001, slug: 'contract-teapots' }
const BRAND = { id: 9001, name: 'Contract Pottery' }
const CHANGED_AT = '2026-01-02T03:04:05.123456Z'

/** Products of "products in a category exist" count from here. */
const FIRST_OF_CATEGORY = 9_100

const STATES: Readonly<Record<string, State>> = {
  async 'a product exists'(db, params) {
    const product = check(
      z.object({ id, sku: text(64, 1).optional(), name: text(300, 1).optional(), price: text(14, 1).optional() }),
      params,
    )
    const taxonId = await upsertTaxon(db, CATEGORY)
    await upsertMaker(db)
    await upsertItem(db, { ...product, taxonId })
  },

  async 'no product with that id'(db, params) {
    const { id: itemId } = check(z.object({ id }), params)
    await archive(db, items => items.where({ id: itemId }))
  },

  async 'products in a category exist'(db, params) {
    const count = z.int('must be a whole number').min(0, 'must be 0 or more').max(1_000, 'must be at most 1000')
    const wanted = check(z.object({ slug: text(200, 1), count }), params)
    const taxonId = await upsertTaxon(db, { id: CATEGORY.id + 1, slug: wanted.slug })
    await upsertMaker(db)
    const kept: [number, number] = [FIRST_OF_CATEGORY, FIRST_OF_CATEGORY + wanted.count - 1]
    await archive(db, items => items.where({ taxon_id: taxonId }).whereNotBetween('id', kept))
    for (let index = 0; index < wanted.count; index++) {
      await upsertItem(db, { id: FIRST_OF_CATEGORY + index, taxonId })
    }
  },

  async 'categories exist'(db) {
    const parentId = await upsertTaxon(db, { id: CATEGORY.id - 1, slug: 'contract-kitchen' })
    await upsertTaxon(db, { ...CATEGORY, parentId })
  },

  async 'brands exist'(db) {
    await upsertMaker(db)
  },

  async 'the catalog is empty'(db) {
    await db.raw('truncate catalog.items, catalog.item_media, catalog.taxonomy, catalog.makers')
  },
}

const body = z.object({
  state: text(200, 1),
  params: z.record(z.string(), z.unknown(), { error: 'must be an object' }).default({}),
  action: z.enum(['setup', 'teardown'], { error: 'must be "setup" or "teardown"' }).default('setup'),
})

/** `POST /_pact/provider-states`, as the verifier of Pact calls it. A teardown leaves everything: states are idempotent. */
export function providerStatesApi(app: FastifyInstance, db: Knex): void {
  app.post('/_pact/provider-states', async request => {
    const { state: name, params, action } = check(body, request.body)
    const state = Object.hasOwn(STATES, name) ? STATES[name] : undefined
    if (state === undefined) {
      const known = Object.keys(STATES).map(other => `"${other}"`)
      throw new Problem(400, 'unknown_state', `There is no state "${name}"; known are ${known.join(', ')}`)
    }
    if (action === 'setup') await db.transaction(trx => state(trx, params))
    return {}
  })
}

interface TaxonState {
  /** Of a new row; one that has the slug already keeps its own. */
  readonly id: number
  readonly slug: string
  readonly parentId?: number
}

async function upsertTaxon(db: Knex, { id, slug, parentId }: TaxonState): Promise<number> {
  const names = { en: 'Teapots', de: 'Teekannen', fr: 'Théières' }
  const [row] = await db('catalog.taxonomy')
    .insert({ id, slug, parent_id: parentId ?? null, names, rank: 10, changed_at: CHANGED_AT })
    .onConflict('slug')
    .merge(['parent_id'])
    .returning<{ id: number }[]>('id')
  await moveIdentity(db, 'taxonomy')
  return row?.id ?? id
}

async function upsertMaker(db: Knex): Promise<void> {
  await db('catalog.makers')
    .insert({ ...BRAND, origin: 'DE', homepage: 'https://contract.example', changed_at: CHANGED_AT })
    .onConflict('id')
    .merge()
  await moveIdentity(db, 'makers')
}

interface ItemState {
  readonly id: number
  readonly sku?: string | undefined
  readonly name?: string | undefined
  readonly price?: string | undefined
  readonly taxonId: number
}

async function upsertItem(db: Knex, { id, sku, name, price = '19.90', taxonId }: ItemState): Promise<void> {
  const picture = { item_id: id, rank: 0, url: `/images/teapots/blue/${id}-1.svg`, caption: 'A blue teapot' }
  await db('catalog.items')
    .insert({
      id,
      code: sku ?? `CONTRACT-${id}`,
      taxon_id: taxonId,
      maker_id: BRAND.id,
      titles: { en: name ?? 'Contract Teapot', de: 'Vertragskanne', fr: 'Théière du contrat' },
      descriptions: {
        en: 'A teapot that holds what was agreed.',
        de: 'Eine Kanne, die hält, was abgemacht ist.',
      },
      price_minor: toMinor(price),
      sale_minor: toMinor('14.90'),
      currency: 'EUR',
      facts: {
        tax_class: 'standard',
        color: 'blue',
        size: '1 l',
        weight_g: 820,
        attributes: { material: 'stoneware', dishwasher_safe: true },
      },
      labels: ['gift', 'new'],
      cover_url: picture.url,
      state: 'active',
      archived_at: null,
      archived_from: null,
      changed_at: CHANGED_AT,
    })
    .onConflict('id')
    .merge()
  await db('catalog.item_media').where({ item_id: id }).delete()
  await db('catalog.item_media').insert(picture)
  await moveIdentity(db, 'items')
}

async function archive(db: Knex, which: (items: Knex.QueryBuilder) => Knex.QueryBuilder): Promise<void> {
  await which(db('catalog.items').whereNot('state', 'archived')).update({
    state: 'archived',
    archived_from: db.ref('state'),
    archived_at: db.fn.now(),
  })
}

/** The next row that the service makes gets an id above those that the states chose. */
async function moveIdentity(db: Knex, table: 'taxonomy' | 'makers' | 'items'): Promise<void> {
  await db.raw(
    `select setval(pg_get_serial_sequence('catalog.${table}', 'id'), (select max(id) from catalog.${table}))`,
  )
}
