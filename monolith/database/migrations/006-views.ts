import type { Knex } from 'knex'

/** What the back office and the front page read: joins across customers, orders, products and reviews. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create view v_order_overview as
    select o.id, o.number, o.status, o.placed_at, o.total, o.currency,
           c.id as customer_id, c.name as customer_name, c.email as customer_email,
           count(i.line_no)::int as lines, coalesce(sum(i.quantity), 0)::int as units,
           string_agg(i.name, ', ' order by i.line_no) as items
    from orders o
    join customers c on c.id = o.customer_id
    left join order_items i on i.order_id = o.id
    group by o.id, c.id;

    create materialized view bestsellers as
    select p.id as product_id, sum(i.quantity)::int as units, sum(i.quantity * i.unit_price) as revenue,
           (select round(avg(r.rating), 2) from reviews r where r.product_id = p.id) as rating
    from order_items i
    join orders o on o.id = i.order_id and o.status not in ('cancelled', 'refunded')
    join products p on p.id = i.product_id
    group by p.id;
    create unique index bestsellers_product_id on bestsellers (product_id);
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop materialized view bestsellers; drop view v_order_overview')
}
