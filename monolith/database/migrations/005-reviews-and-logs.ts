import type { Knex } from 'knex'

/** What people say, what they look at, and what the back office did. The two logs have no primary key. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create table reviews (
      id serial primary key,
      product_id int not null references products (id),
      customer_id int not null references customers (id),
      rating smallint not null check (rating between 1 and 5),
      title text not null,
      body text not null default '',
      created_at timestamptz not null default now(),
      unique (product_id, customer_id)
    );

    create table audit_log (
      at timestamptz not null default clock_timestamp(),
      actor text not null,
      action text not null,
      entity text not null,
      entity_id text not null,
      details jsonb not null default '{}'
    );
    create index audit_log_entity on audit_log (entity, entity_id, at);

    create table page_views (
      at timestamptz not null default clock_timestamp(),
      path text not null,
      product_id int,
      customer_id int
    );
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw('drop table page_views, audit_log, reviews')
}
