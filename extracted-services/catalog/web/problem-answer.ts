import type { FastifyInstance, FastifyReply } from 'fastify'
import { notFound, Problem } from './problem.ts'

/** Gives every problem one shape: `{error, message, fields?}`. */
export function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error)
    if (problem.status >= 500) request.log.error({ err: error }, 'a request failed')
    return answer(problem, reply)
  })
  app.setNotFoundHandler((request, reply) => answer(notFound(`${request.method} ${request.url}`), reply))
}

function answer({ status, code, message, fields }: Problem, reply: FastifyReply): FastifyReply {
  return reply.code(status).send({ error: code, message, ...(fields && { fields }) })
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
