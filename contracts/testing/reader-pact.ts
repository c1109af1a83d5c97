import { MatchersV3, PactV4 } from '@pact-foundation/pact'

const { integer, like, regex } = MatchersV3
const JSON_TYPE = 'application/json'

/**
 * Writes the pact of a consumer called `reader` with the bookstore into `folder`, as a consumer's tests do: by asking
 * Pact's mock server.
 */
export async function writeReaderPact(folder: string): Promise<void> {
  process.env.PACT_DO_NOT_TRACK = 'true'
  const pact = new PactV4({
    consumer: 'reader',
    provider: 'bookstore',
    dir: folder,
    host: '127.0.0.1',
    port: 0,
    logLevel: 'error',
  })
  await pact
    .addInteraction()
    .given('a book exists', { id: 7 })
    .uponReceiving('a book')
    .withRequest('GET', '/books/7')
    .willRespondWith(200, response =>
      response
        .headers({ 'Content-Type': JSON_TYPE })
        .jsonBody({ id: integer(7), title: like('Emma'), price: regex('\\d+\\.\\d{2}', '9.90') }),
    )
    .executeTest(async ({ url }) => await fetch(`${url}/books/7`))
  await pact
    .addInteraction()
    .uponReceiving('a book that is not there')
    .withRequest('GET', '/books/99')
    .willRespondWith(404)
    .executeTest(async ({ url }) => await fetch(`${url}/books/99`))
  await pact
    .addInteraction()
    .uponReceiving('a new book')
    .withRequest('POST', '/books', request => request.jsonBody({ title: 'Persuasion' }))
    .willRespondWith(201, response => response.jsonBody({ id: integer(8) }))
    .executeTest(({ url }) =>
      fetch(`${url}/books`, {
        method: 'POST',
        headers: { 'content-type': JSON_TYPE },
        body: JSON.stringify({ title: 'Persuasion' }),
      }),
    )
  await pact
    .addInteraction()
    .uponReceiving('the cart')
    .withRequest('GET', '/cart')
    .willRespondWith(200)
    .executeTest(async ({ url }) => await fetch(`${url}/cart`))
}
