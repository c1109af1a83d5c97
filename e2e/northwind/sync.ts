import { defineSync } from '@ficus/cdc/mapping/define-sync'

/** Northwind's products, categories and suppliers, as the assortment service keeps them, and back. */
export default defineSync({
  tables: [
    {
      source: 'public.categories',
      target: 'assortment.article_group',
      key: { category_id: 'group_no' },
      forward: { label: 'category_name', about: 'description', image: 'picture' },
      reverse: { category_name: 'label', description: 'about', picture: 'image' },
    },
    {
      source: 'public.suppliers',
      target: 'assortment.vendor',
      key: { supplier_id: 'vendor_no' },
      forward: {
        company: 'company_name',
        contact: `jsonb_build_object('name', contact_name, 'title', contact_title, 'phone', phone, 'fax', fax)`,
        address: `jsonb_build_object('street', address, 'city', city, 'region', region, 'zip', postal_code, 'country', country)`,
        homepage: 'homepage',
      },
      reverse: {
        company_name: 'company',
        contact_name: `contact->>'name'`,
        contact_title: `contact->>'title'`,
        phone: `contact->>'phone'`,
        fax: `contact->>'fax'`,
        address: `address->>'street'`,
        city: `address->>'city'`,
        region: `address->>'region'`,
        postal_code: `address->>'zip'`,
        country: `address->>'country'`,
        homepage: 'homepage',
      },
    },
    {
      source: 'public.products',
      target: 'assortment.article',
      key: { product_id: 'article_no' },
      forward: {
        label: 'product_name',
        vendor_no: 'supplier_id',
        group_no: 'category_id',
        pack: 'quantity_per_unit',
        unit_price_minor: 'round(unit_price::numeric * 100)::bigint',
        listed: 'discontinued = 0',
      },
      reverse: {
        product_name: 'label',
        supplier_id: 'vendor_no',
        category_id: 'group_no',
        quantity_per_unit: 'pack',
        unit_price: '(unit_price_minor / 100.0)::real',
        discontinued: 'CASE WHEN listed THEN 0 ELSE 1 END',
      },
    },
    {
      source: 'public.products',
      target: 'assortment.article_stock',
      key: { product_id: 'article_no' },
      forward: { on_hand: 'units_in_stock', on_order: 'units_on_order', reorder_at: 'reorder_level' },
      reverse: { units_in_stock: 'on_hand', units_on_order: 'on_order', reorder_level: 'reorder_at' },
    },
  ],
})
