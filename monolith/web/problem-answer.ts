import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { html } from './html.ts'
import { notFound, Problem } from './problem.ts'
import type { Shop } from './shop.ts'

/** Gives every problem one shape: `{error, message, fields?}` below /api, a page or the way to the log-in elsewhere. */
export function answerProblems(app: FastifyInstance, shop: Shop): void {
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500) request.log.error({ err: error }, 'a request failed')
    return answer(problem, request, reply, shop)
  })
  app.setNotFoundHandler((request, reply) => answer(notFound(`${request.method} ${request.url}`), request, reply, shop))
}

async function answer(
  problem: Problem,
  request: FastifyRequest,
  reply: FastifyReply,
  shop: Shop,
): Promise<FastifyReply> {
  if (isForPrograms(request)) {
    const { code: error, message, fields } = problem
    return reply.code(problem.status).send({ error, message, ...(fields && { fields }) })
  }
  if (problem.status === 401) {
    const next = request.method === 'GET' ? `?${new URLSearchParams({ next: request.url })}` : ''
    return reply.redirect(`/login${next}`, 303)
  }
  const title = problem.status === 404 ? 'Not here' : problem.status >= 500 ? 'That is on us' : 'That did not work'
  const body = html`<div class="empty"><h1>${title}</h1><p>${problem.message}.</p><p><a class="button" href="/">To the shop</a></p></div>`
  try {
    return await shop.pages.send(reply, await shop.sessions.visitor(request), { title, body, status: problem.status })
  } catch (error) {
    // The page's frame needs the database, which may be what failed.
    request.log.error({ err: error }, 'the page of an error failed')
    return reply.code(problem.status).type('text/plain; charset=utf-8').send(`${title}\n`)
  }
}

function isForPrograms({ url }: FastifyRequest): boolean {
  return url.startsWith('/api/') || url.startsWith('/_pact/')
}

/** Fastify's own errors (a body that is not JSON, too long, of another type) carry a status; the rest is our fault. */
function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error.statusCode === 404) return new Problem(404, 'not_found', error.message)
    if (error.statusCode < 500) return new Problem(error.statusCode, 'bad_request', error.message)
  }
  return new Problem(500, 'internal', 'Something went wrong')
}
