import type { Knex } from 'knex'

/** Stock: every movement is kept; the level is their sum and is maintained by a trigger, never written by the shop. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create table stock_levels (
      product_id int primary key references products (id),
      on_hand int not null,
      updated_at timestamptz not null
    );

    create table stock_movements (
      id bigserial primary key,
      product_id int not null references products (id),
      delta int not null check (delta <> 0),
      reason text not null check (reason in ('delivery', 'sale', 'return', 'correction')),
      order_id bigint references orders (id),
      moved_at timestamptz not null default clock_timestamp()
    );
    create index stock_movements_product_id on stock_movements (product_id);

    create function stock_levels_from_movements() returns trigger language plpgsql as $$
    begin
      insert into stock_levels as level (product_id, on_hand, updated_at)
      select product_id, sum(delta), max(moved_at) from moved group by product_id order by product_id
      on conflict (product_id) do update
        set on_hand = level.on_hand + excluded.on_hand,
            updated_at = greatest(level.updated_at, excluded.updated_at);
      return null;
    end $$;

    create trigger stock_movements_level after insert on stock_movements
      referencing new table as moved
      for each statement execute function stock_levels_from_movements();
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop table stock_movements, stock_levels;
    drop function stock_levels_from_movements;
  `)
}
