import type { Knex } from 'knex'

/** Selling: coupons, carts, orders with their lines, and payments. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create type order_status as enum ('pending', 'paid', 'packed', 'shipped', 'delivered', 'cancelled', 'refunded');
    create type payment_method as enum ('card', 'invoice', 'paypal', 'transfer');
    create sequence order_numbers start 100001;

    create table coupons (
      code text primary key,
      percent int not null check (percent between 1 and 100),
      minimum_total numeric(12, 2) not null default 0,
      valid_from timestamptz not null,
      valid_until timestamptz not null
    );

    create table carts (
      id uuid primary key default gen_random_uuid(),
      session_hash bytea unique references sessions (token_hash) on delete cascade on update cascade,
      coupon_code text references coupons (code),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );

    create table cart_items (
      cart_id uuid not null references carts (id) on delete cascade,
      product_id int not null references products (id),
      quantity int not null check (quantity between 1 and 99),
      added_at timestamptz not null default now(),
      primary key (cart_id, product_id)
    );
    create index cart_items_product_id on cart_items (product_id);

    create table orders (
      id bigserial primary key,
      number text not null unique default 'S-' || nextval('order_numbers'),
      customer_id int not null references customers (id),
      status order_status not null default 'pending',
      shipping_address jsonb not null,
      subtotal numeric(12, 2) not null,
      discount numeric(12, 2) not null default 0,
      shipping numeric(12, 2) not null default 0,
      tax numeric(12, 2) not null default 0,
      total numeric(12, 2) not null,
      currency char(3) not null default 'EUR',
      coupon_code text references coupons (code),
      note text,
      placed_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    );
    create index orders_customer_id on orders (customer_id, placed_at desc);
    create trigger orders_touch before update on orders
      for each row execute function touch_updated_at();

    create table order_items (
      order_id bigint not null references orders (id),
      line_no int not null,
      product_id int not null references products (id),
      sku text not null,
      name text not null,
      quantity int not null check (quantity > 0),
      unit_price numeric(12, 2) not null,
      tax_percent numeric(5, 2) not null,
      primary key (order_id, line_no)
    );
    create index order_items_product_id on order_items (product_id);

    create table payments (
      id bigserial primary key,
      order_id bigint not null references orders (id),
      method payment_method not null,
      amount numeric(12, 2) not null,
      reference text not null unique,
      details jsonb not null default '{}',
      paid_at timestamptz
    );
    create index payments_order_id on payments (order_id);
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop table payments, order_items, orders, cart_items, carts, coupons;
    drop sequence order_numbers;
    drop type payment_method;
    drop type order_status;
  `)
}
