import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, type Socket } from 'node:net'
import { FicusError } from '@ficus/core/errors/ficus-error'

/** Who is at the other end of a connection: the client itself, or a proxy in front of the edge. */
export interface Peer {
  readonly address: string
  /** Whether what it says of the client in X-Forwarded-* is believed. */
  readonly trusted: boolean
}

/** Judges peers by `edge.trustProxy`, once a connection. */
export class Peers {
  readonly #trusted = new BlockList()
  readonly #known = new WeakMap<Socket, Peer>()

  /** @param trustProxy addresses and CIDR blocks. @throws FICUS_CONFIG_INVALID for anything else. */
  constructor(trustProxy: readonly string[]) {
    trustProxy.forEach((entry, index) => {
      const [address = '', bits] = entry.split('/')
      const family = familyOf(address)
      const prefix = bits === undefined ? null : Number(bits)
      const widest = family === 'ipv4' ? 32 : 128
      if (family === null || (prefix !== null && !(Number.isInteger(prefix) && prefix >= 0 && prefix <= widest))) {
        throw new FicusError(
          'FICUS_CONFIG_INVALID',
          `edge.trustProxy[${index}] is ${JSON.stringify(entry)}, which is not an address or a CIDR block such as 10.0.0.0/8`,
        )
      }
      if (prefix === null) this.#trusted.addAddress(address, family)
      else this.#trusted.addSubnet(address, prefix, family)
    })
  }

  of(socket: Socket): Peer {
    const known = this.#known.get(socket)
    if (known !== undefined) return known
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:(?=[\d.]+$)/, '')
    const family = familyOf(address)
    const peer = { address, trusted: family !== null && this.#trusted.check(address, family) }
    this.#known.set(socket, peer)
    return peer
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address)
  return version === 0 ? null : version === 4 ? 'ipv4' : 'ipv6'
}

/** Whether the client came by https: as the peer says if it is trusted, else as the connection shows. */
export function isSecure(request: IncomingMessage, peer: Peer): boolean {
  const said = request.headers['x-forwarded-proto']
  if (peer.trusted && typeof said === 'string') return /^https\b/i.test(said)
  return 'encrypted' in request.socket && request.socket.encrypted === true
}
