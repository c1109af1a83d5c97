import type { Knex } from 'knex'

/** The lists of the shop look at nothing else: with these they are counted and sorted without reading the table. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create index products_visible on products (category_id, id) where active and deleted_at is null;
    create index products_visible_by_price on products (price, id) where active and deleted_at is null;
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop index products_visible, products_visible_by_price')
}
