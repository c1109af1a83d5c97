import type { Knex } from 'knex'

/** Who buys: customers, where they live, and their log-ins. A session without a customer is a visitor with a cart. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create table customers (
      id serial primary key,
      email text not null,
      name text not null,
      password_hash text not null,
      locale text not null default 'en',
      phone text,
      is_admin boolean not null default false,
      preferences jsonb not null default '{}',
      created_at timestamptz not null default now(),
      deleted_at timestamptz
    );
    create unique index customers_email on customers (lower(email)) where deleted_at is null;

    create table addresses (
      id serial primary key,
      customer_id int not null references customers (id),
      label text not null default 'home',
      recipient text not null,
      street text not null,
      postcode text not null,
      city text not null,
      country char(2) not null,
      is_default boolean not null default false
    );
    create index addresses_customer_id on addresses (customer_id);

    create table sessions (
      token_hash bytea primary key,
      customer_id int references customers (id),
      created_at timestamptz not null default now(),
      expires_at timestamptz not null
    );
    create index sessions_expires_at on sessions (expires_at);
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop table sessions, addresses, customers')
}
