import type { Knex } from 'knex'

/** What the shop sells: categories, brands, products and their pictures. */
export async function up(db: Knex): Promise<void> {
  await db.raw(`
    create table categories (
      id serial primary key,
      parent_id int references categories (id),
      slug text not null unique,
      name_en text not null,
      name_de text,
      name_fr text,
      position int not null default 0,
      updated_at timestamptz not null default now()
    );

    create table brands (
      id serial primary key,
      name text not null unique,
      country char(2),
      website text,
      updated_at timestamptz not null default now()
    );

    create table products (
      id serial primary key,
      sku text not null unique,
      category_id int not null references categories (id),
      brand_id int references brands (id),
      name_en text not null,
      name_de text,
      name_fr text,
      description_en text,
      description_de text,
      price numeric(12, 2) not null check (price >= 0),
      sale_price numeric(12, 2) check (sale_price >= 0),
      currency char(3) not null default 'EUR',
      tax_class text,
      color text,
      size text,
      weight_g int,
      attributes jsonb not null default '{}',
      tags text[] not null default '{}',
      image_url text,
      active boolean not null default true,
      search_text text,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      deleted_at timestamptz
    );
    create index products_category_id on products (category_id);
    create index products_brand_id on products (brand_id);
    create index products_tags on products using gin (tags);

    create table product_images (
      product_id int not null references products (id),
      position int not null,
      url text not null,
      alt text,
      primary key (product_id, position)
    );
  `)

  // search_text holds all that the search looks at; updated_at moves on every update that does not set it itself.
  await db.raw(`
    create function touch_updated_at() returns trigger language plpgsql as $$
    begin
      if new.updated_at is not distinct from old.updated_at then
        new.updated_at := clock_timestamp();
      end if;
      return new;
    end $$;

    create function products_search_text() returns trigger language plpgsql as $$
    begin
      new.search_text := lower(concat_ws(
        ' ', new.sku, new.name_en, new.name_de, new.name_fr, array_to_string(new.tags, ' ')
      ));
      return new;
    end $$;

    create trigger categories_touch before update on categories
      for each row execute function touch_updated_at();
    create trigger brands_touch before update on brands
      for each row execute function touch_updated_at();
    create trigger products_touch before update on products
      for each row execute function touch_updated_at();
    create trigger products_search_text before insert or update on products
      for each row execute function products_search_text();
  `)
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop table product_images, products, brands, categories;
    drop function products_search_text, touch_updated_at;
  `)
}
