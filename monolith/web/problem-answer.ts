import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { notFound, Problem } from './problem.ts'

/** Gives every problem one shape: `{error, message, fields?}` below /api, a page elsewhere. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500) request.log.error({ err: error }, 'a request failed')
    return answer(problem, request, reply)
  })
  app.setNotFoundHandler((request, reply) => answer(notFound(`${request.method} ${request.url}`), request, reply))
}

function answer(problem: Problem, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.code(problem.status).send({
    error: problem.code,
    message: problem.message,
    ...(problem.fields && { fields: problem.fields }),
  })
}

/** Fastify's own errors (a body that is not JSON, too long, of another type) carry a status; the rest is our fault. */
function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    if (error.statusCode === 404) return new Problem(404, 'not_found', error.message)
    if (error.statusCode < 500) return new Problem(error.statusCode, 'bad_request', error.message)
  }
  return new Problem(500, 'internal', 'Something went wrong on our side')
}
