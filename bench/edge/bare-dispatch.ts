// Node's limit: `node:http` in front of undici's dispatch, raw headers written straight through, nothing else.
// Usage: node bare-dispatch.ts PORT UPSTREAM
import { createServer } from 'node:http'
import { Pool } from 'undici'

const [port = '0', upstream = 'http://127.0.0.1'] = process.argv.slice(2)
const pool = new Pool(upstream, { connections: 64, pipelining: 1 })

createServer((request, response) => {
  pool.dispatch(
    {
      path: request.url ?? '/',
      method: 'GET',
      headers: request.rawHeaders,
    },
    {
      onRequestStart() {},
      onResponseStart(controller, status) {
        const raw = Array.isArray(controller.rawHeaders) ? controller.rawHeaders.map(String) : []
        const headers: string[] = []
        for (let i = 0; i < raw.length; i += 2) {
          const name = raw[i] ?? ''
          if (!/^(connection|keep-alive|transfer-encoding)$/i.test(name)) headers.push(name, raw[i + 1] ?? '')
        }
        response.writeHead(status, headers)
      },
      onResponseData(_controller, chunk) {
        response.write(chunk)
      },
      onResponseEnd() {
        response.end()
      },
      onResponseError() {
        response.destroy()
      },
    },
  )
}).listen(Number(port), '127.0.0.1')
