import type { FastifyInstance } from 'fastify'
import { type Html, html, raw } from './html.ts'

/** What a shelf's products look like, in a square of 100 by 100. `c` is the product's colour, `d` a darker one. */
const SHAPES: Record<string, string> = {
  teapots:
    '<path class="line" d="M70 48c14-4 16 18 2 20"/><path class="c" d="M28 46c-10 0-14-8-18-10l-3 4c8 6 8 18 22 22z"/><ellipse class="c" cx="50" cy="56" rx="24" ry="20"/><path class="d" d="M38 37h24l-3-5H41z"/><circle class="d" cx="50" cy="29" r="4"/>',
  cups: '<path class="line" d="M66 44c16-4 16 22-2 20"/><path class="c" d="M30 34h38l-3 34c-1 8-31 8-32 0z"/><ellipse class="d" cx="49" cy="34" rx="19" ry="5"/>',
  pans: '<rect class="d" x="62" y="45" width="34" height="6" rx="3"/><path class="c" d="M10 44h56l-6 20c-2 6-42 6-44 0z"/><ellipse class="d" cx="38" cy="44" rx="28" ry="6"/>',
  knives:
    '<path class="c" d="M12 54 62 34c4-2 6 0 6 4v10z"/><rect class="d" x="66" y="38" width="24" height="10" rx="4"/>',
  chairs:
    '<path class="line" d="M34 62v26M66 62v26M34 20v42M66 20v42"/><rect class="d" x="30" y="18" width="40" height="26" rx="8"/><rect class="c" x="26" y="54" width="48" height="12" rx="6"/>',
  cushions:
    '<path class="c" d="M22 26c18 6 38 6 56 0-5 18-5 32 0 50-18-6-38-6-56 0 5-18 5-32 0-50z"/><path class="thin" d="M34 38c10 4 22 4 32 0M34 64c10-4 22-4 32 0"/>',
  vases:
    '<path class="thin" d="M50 34c-2-12-12-12-14-22M50 34c2-14 10-14 14-20M50 34V10"/><path class="c" d="M42 32h16c-2 12 14 18 12 36-1 12-8 18-20 18s-19-6-20-18c-2-18 14-24 12-36z"/>',
  clocks:
    '<circle class="c" cx="50" cy="50" r="32"/><circle fill="#fffdf8" cx="50" cy="50" r="26"/><path class="line" d="M50 34v16l12 8"/>',
  'table-lamps':
    '<path class="c" d="M38 18h24l14 32H24z"/><rect class="d" x="47" y="50" width="6" height="28"/><rect class="d" x="32" y="78" width="36" height="7" rx="3"/>',
  pendants:
    '<path class="line" d="M50 4v30"/><path class="c" d="M42 34h16c14 4 22 18 22 30H20c0-12 8-26 22-30z"/><circle fill="#ffe9a8" cx="50" cy="66" r="8"/>',
  candles:
    '<path fill="#f6b93b" d="M50 14c8 10 8 16 0 20-8-4-8-10 0-20z"/><rect class="c" x="40" y="36" width="20" height="40" rx="3"/><ellipse class="d" cx="50" cy="78" rx="26" ry="7"/>',
  notebooks:
    '<rect class="c" x="26" y="18" width="50" height="64" rx="4"/><rect class="d" x="26" y="18" width="9" height="64" rx="3"/><rect fill="#fffdf8" x="44" y="32" width="24" height="14" rx="2"/>',
  pens: '<g transform="rotate(45 50 50)"><rect class="c" x="44" y="10" width="12" height="56" rx="3"/><path class="d" d="M44 68h12l-6 22z"/><rect class="d" x="44" y="10" width="12" height="10" rx="3"/></g>',
  organisers:
    '<rect class="c" x="18" y="24" width="64" height="54" rx="5"/><rect fill="#fffdf8" opacity=".85" x="25" y="32" width="50" height="16" rx="3"/><rect fill="#fffdf8" opacity=".85" x="25" y="54" width="50" height="16" rx="3"/><path class="line" d="M44 40h12M44 62h12"/>',
  towels:
    '<rect class="d" x="14" y="20" width="72" height="5" rx="2"/><path class="c" d="M28 22h44v58H28z"/><path class="thin" d="M28 62h44M28 68h44"/>',
  soaps:
    '<rect class="c" x="22" y="44" width="56" height="28" rx="14"/><circle fill="#fffdf8" opacity=".8" cx="36" cy="32" r="7"/><circle fill="#fffdf8" opacity=".8" cx="56" cy="26" r="10"/><circle fill="#fffdf8" opacity=".8" cx="72" cy="36" r="5"/>',
  tools:
    '<rect class="d" x="45" y="8" width="10" height="38" rx="5"/><path class="c" d="M36 46h28c2 22-6 36-14 46-8-10-16-24-14-46z"/>',
  pots: '<path class="thin" d="M50 42c-2-16-18-14-20-26 14-2 20 8 20 18 0-12 8-20 22-18-2 14-20 12-22 26z"/><path class="d" d="M24 42h52v10H24z"/><path class="c" d="M28 52h44l-6 34H34z"/>',
  watering:
    '<path class="line" d="M34 44c0-24 32-24 34 2"/><path class="c" d="M30 46h40v36H30z"/><path class="d" d="M30 62 8 40l5-5 17 15zM4 42l12-12 3 3L7 45z"/>',
}

const BOX =
  '<path class="c" d="M20 38 50 24l30 14v32L50 84 20 70z"/><path class="thin" d="M20 38l30 14 30-14M50 52v32"/>'

/** A colour's name as the catalog spells it, and two shades of it. */
const SHADES: Record<string, readonly [color: string, darker: string]> = {
  white: ['#f4f1ea', '#d5cfc2'],
  black: ['#3a3a3c', '#1f1f21'],
  grey: ['#a9aaa7', '#7d7f7c'],
  gray: ['#9fa3a6', '#74797d'],
  blue: ['#6d97b8', '#476f8f'],
  navy: ['#2d4263', '#1b2a44'],
  green: ['#5d8f6c', '#3d6a4a'],
  sage: ['#a3b59b', '#7b9072'],
  red: ['#c2554d', '#933a34'],
  terracotta: ['#c8734f', '#9b5134'],
  yellow: ['#e7bd4f', '#bb922b'],
  ochre: ['#cf9a3f', '#a07424'],
  natural: ['#c9ac85', '#9c8059'],
  pink: ['#dba3a5', '#b57a7d'],
}

const BACKDROPS = ['#efe7da', '#e3e9e2', '#f1e1da', '#e2e6ec', '#ece6ee', '#f3ecd2'] as const

/** Draws a product: the shelf gives the shape, the number the backdrop and the angle. Always the same for the same input. */
export function picture(shelf: string, color: string, number: number): Html {
  const [shade, darker] = SHADES[color] ?? ['#c9ac85', '#9c8059']
  const backdrop = BACKDROPS[number % BACKDROPS.length] ?? BACKDROPS[0]
  const tilt = (number % 7) - 3
  const scale = 0.86 + (number % 5) * 0.05
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" role="img" aria-label="${shelf}, ${color}">
<style>.c{fill:${shade}}.d{fill:${darker}}.line{fill:none;stroke:${darker};stroke-width:5;stroke-linecap:round}.thin{fill:none;stroke:${darker};stroke-width:2;stroke-linecap:round}</style>
<rect width="100" height="100" fill="${backdrop}"/><ellipse cx="50" cy="87" rx="32" ry="4" opacity=".12"/>
<g transform="rotate(${tilt} 50 50) translate(${50 - 50 * scale} ${50 - 50 * scale}) scale(${scale.toFixed(2)})">${raw(SHAPES[shelf] ?? BOX)}</g>
</svg>`
}

/** `/images/teapots/blue/17-1.svg`: any shelf, any colour, any number that PostgreSQL could have given. */
export function pictureRoutes(app: FastifyInstance): void {
  type Named = { Params: { shelf: string; color: string; file: string } }
  app.get<Named>('/images/:shelf/:color/:file', { logLevel: 'warn' }, (request, reply) => {
    const { shelf, color, file } = request.params
    const match = /^(\d{1,10})-(\d{1,2})\.svg$/.exec(file)
    if (match === null) return reply.callNotFound()
    return reply
      .header('cache-control', 'public, max-age=604800')
      .type('image/svg+xml')
      .send(picture(shelf, color, Number(match[1]) + 3 * Number(match[2])).markup)
  })
}
