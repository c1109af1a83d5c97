// The peer: `@fastify/http-proxy` as it comes. Usage: node bare-http-proxy.ts PORT UPSTREAM
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const [port = '0', upstream = ''] = process.argv.slice(2)
const app = fastify()
await app.register(httpProxy, { upstream })
await app.listen({ port: Number(port), host: '127.0.0.1' })
