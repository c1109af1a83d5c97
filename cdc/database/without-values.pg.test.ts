import { FicusError } from '@ficus/core/errors/ficus-error'
import { createDatabase } from '@ficus/deploy/testing/postgres'
import { expect, it } from 'vitest'
import { withSession } from './session.ts'
import { withoutValues } from './without-values.ts'

const SCHEMA = `
  CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, age int CHECK (age < 200), code varchar(5), born date);
  INSERT INTO users VALUES (1, 'jane@example.org', 41, 'a', NULL);
  CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE unique_violation USING MESSAGE = 'no room for ' || NEW.email, CONSTRAINT = 'one_room'; END $$;
  CREATE FUNCTION run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || quote_ident(NEW.email); END $$;
  CREATE TABLE guests (email text);
  CREATE TRIGGER guard BEFORE INSERT ON guests FOR EACH ROW EXECUTE FUNCTION guard();
  CREATE TABLE talkers (email text);
  CREATE TRIGGER run BEFORE INSERT ON talkers FOR EACH ROW EXECUTE FUNCTION run();
`

const REFUSALS: readonly (readonly [sql: string, said: string])[] = [
  [
    `INSERT INTO users VALUES (2, 'jane@example.org')`,
    'duplicate key value violates unique constraint "users_email_key"',
  ],
  [
    `INSERT INTO users VALUES (2, 'jane2@example.org', 4711)`,
    'new row for relation "users" violates check constraint "users_age_check"',
  ],
  [`INSERT INTO users VALUES (2, NULL, NULL, 'jane@example.org')`, 'value too long for type character varying(5)'],
  [
    `SELECT 'jane@example.org'::int`,
    'invalid_text_representation (SQLSTATE 22P02); its words are in the log of that server',
  ],
  [
    'SELECT make_date(4711, 4711, 4711)',
    'datetime_field_overflow (SQLSTATE 22008); its words are in the log of that server',
  ],
  [
    `INSERT INTO guests VALUES ('jane@example.org')`,
    'unique_violation (SQLSTATE 23505) at one_room, raised by guard(); its words are in the log of that server',
  ],
  [`INSERT INTO talkers VALUES ('jane@example.org')`, 'SQLSTATE 42703; its words are in the log of that server'],
  ['SELECT nowhere FROM users', 'column "nowhere" does not exist'],
]

it('says what a server refused without a value of the row', async () => {
  await using database = await createDatabase('source')
  await withSession({ url: database.url, name: 'a database' }, async client => {
    await client.query(SCHEMA)
    const said: (readonly [string, string])[] = []
    for (const [sql] of REFUSALS) said.push([sql, await client.query(sql).then(() => 'taken', withoutValues)])
    expect(said).toEqual(REFUSALS)
  })
})

it('takes an error of ours at its word, unless it has others for that', () => {
  const details = { withoutValues: 'the function of tables[0] threw a RangeError' }
  expect(withoutValues(new FicusError('FICUS_CHANGE_REFUSED', 'Jane', { details }))).toBe(details.withoutValues)
  expect(withoutValues(new FicusError('FICUS_SOURCE_CHANGED', 'a column is gone'))).toBe('a column is gone')
})
