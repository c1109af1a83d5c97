import { defineSync } from '@ficus/cdc/mapping/define-sync'

/**
 * The shop's catalog tables and ours, both ways. `forward` gives our columns from one row of theirs, `reverse` theirs
 * from one row of ours; there and back is the same row.
 *
 * Nothing is lost by gathering: a missing translation or fact is a missing key, which `->>` reads as null again, and
 * `attributes` keeps its own nulls because only the object around it is stripped. `search_text` is computed on both
 * sides from the same words; it only goes back, because the monolith's trigger may be silent then.
 */
export default defineSync({
  tables: [
    {
      source: 'public.categories',
      target: 'catalog.taxonomy',
      key: { id: 'id' },
      forward: {
        parent_id: 'parent_id',
        slug: 'slug',
        names: `jsonb_strip_nulls(jsonb_build_object('en', name_en, 'de', name_de, 'fr', name_fr))`,
        rank: 'position',
        changed_at: 'updated_at',
      },
      reverse: {
        parent_id: 'parent_id',
        slug: 'slug',
        name_en: `names ->> 'en'`,
        name_de: `names ->> 'de'`,
        name_fr: `names ->> 'fr'`,
        position: 'rank',
        updated_at: 'changed_at',
      },
    },
    {
      source: 'public.brands',
      target: 'catalog.makers',
      key: { id: 'id' },
      forward: { name: 'name', origin: 'country', homepage: 'website', changed_at: 'updated_at' },
      reverse: { name: 'name', country: 'origin', website: 'homepage', updated_at: 'changed_at' },
    },
    {
      source: 'public.products',
      target: 'catalog.items',
      key: { id: 'id' },
      forward: {
        code: 'sku',
        taxon_id: 'category_id',
        maker_id: 'brand_id',
        titles: `jsonb_strip_nulls(jsonb_build_object('en', name_en, 'de', name_de, 'fr', name_fr))`,
        descriptions: `jsonb_strip_nulls(jsonb_build_object('en', description_en, 'de', description_de))`,
        price_minor: '(price * 100)::bigint',
        sale_minor: '(sale_price * 100)::bigint',
        currency: 'currency',
        facts: `jsonb_strip_nulls(jsonb_build_object(
                  'color', color, 'size', size, 'weight_g', weight_g, 'tax_class', tax_class
                )) || jsonb_build_object('attributes', attributes)`,
        labels: 'tags',
        cover_url: 'image_url',
        state: `case when deleted_at is not null then 'archived' when active then 'active' else 'draft' end`,
        archived_at: 'deleted_at',
        archived_from: `case when deleted_at is not null then case when active then 'active' else 'draft' end end`,
        added_at: 'created_at',
        changed_at: 'updated_at',
      },
      reverse: {
        sku: 'code',
        category_id: 'taxon_id',
        brand_id: 'maker_id',
        name_en: `titles ->> 'en'`,
        name_de: `titles ->> 'de'`,
        name_fr: `titles ->> 'fr'`,
        description_en: `descriptions ->> 'en'`,
        description_de: `descriptions ->> 'de'`,
        price: '(price_minor / 100.0)::numeric(12, 2)',
        sale_price: '(sale_minor / 100.0)::numeric(12, 2)',
        currency: 'currency',
        tax_class: `facts ->> 'tax_class'`,
        color: `facts ->> 'color'`,
        size: `facts ->> 'size'`,
        weight_g: `(facts ->> 'weight_g')::int`,
        attributes: `facts -> 'attributes'`,
        tags: 'labels',
        image_url: 'cover_url',
        active: `coalesce(archived_from, state) = 'active'`,
        // Not from our own column: PostgreSQL leaves generated columns out of the stream.
        search_text: `lower(concat_ws(
          ' ', code, titles ->> 'en', titles ->> 'de', titles ->> 'fr', array_to_string(labels, ' ')
        ))`,
        created_at: 'added_at',
        updated_at: 'changed_at',
        deleted_at: 'archived_at',
      },
    },
    {
      source: 'public.product_images',
      target: 'catalog.item_media',
      key: { product_id: 'item_id', position: 'rank' },
      forward: { url: 'url', caption: 'alt' },
      reverse: { url: 'url', alt: 'caption' },
    },
  ],
})
