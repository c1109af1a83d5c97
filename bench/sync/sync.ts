import { defineSync } from '@ficus/cdc/mapping/define-sync'

/** What sync does to each row while PostgreSQL's own replication only carries it. */
export default defineSync({
  tables: [
    {
      source: 'public.products',
      target: 'public.items',
      key: { id: 'item_id' },
      forward: {
        code: 'lower(sku)',
        title: 'name_en',
        title_de: 'name_de',
        title_fr: 'name_fr',
        taxon_id: 'category_id',
        price_minor: '(price * 100)::bigint',
        currency: 'currency',
        in_stock: 'stock',
        sellable: 'active',
        origin: `'shop'`,
        added_at: 'created_at',
        changed_at: 'updated_at',
      },
    },
  ],
})
