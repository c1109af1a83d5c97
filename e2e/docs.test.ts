import { existsSync } from 'node:fs'
import { glob, readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../', import.meta.url))
const exclude = (path: string) => /(?:^|\/)(?:node_modules|\.ficus|\.git)$/.test(path)

/** Paths of all pages, relative to the root. */
const pages = await Array.fromAsync(glob('**/*.md', { cwd: ROOT, exclude }))
const folders = (await readdir(ROOT, { withFileTypes: true }))
  .filter(entry => entry.isDirectory() && !/^\.|^node_modules$/.test(entry.name))
  .map(entry => entry.name)

/** The targets of `[text](target)` that are not addresses of the web. Code may look like links, so it does not count. */
function linksOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```/gms, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter(target => !/^[a-z]+:/.test(target))
}

/** The files, and in code spans the folders, that a page names by their path from the root, or as `@ficus/<folder>/<module>`. */
function namesOf(text: string): string[] {
  const root = `(?:${folders.join('|')})`
  const files = text.matchAll(new RegExp(`(?<![\\w./@-])${root}/[\\w./-]*\\.(?:ts|mjs|sql|md|json|ya?ml|xml)\\b`, 'g'))
  const spans = text.matchAll(new RegExp(`\`(${root}/[\\w./-]*)\``, 'g'))
  const modules = text.matchAll(/@ficus\/([\w-]+\/[\w/-]+)/g)
  return [
    ...[...files].map(([path]) => path),
    ...[...spans].map(([, path = '']) => path),
    ...[...modules].map(([, path]) => `${path}.ts`),
  ]
}

/** The fragments by which GitHub links to a page's headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

async function leadsSomewhere(page: string, link: string): Promise<boolean> {
  const [path = '', fragment] = link.split('#')
  const target = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path)
  if (!existsSync(target)) return false
  return fragment === undefined || anchorsOf(await readFile(target, 'utf8')).includes(fragment)
}

it.each(pages)('%s links to files and headings, and names files, that exist', async page => {
  const text = await readFile(join(ROOT, page), 'utf8')
  const broken: string[] = []
  for (const link of linksOf(text)) if (!(await leadsSomewhere(page, link))) broken.push(link)
  for (const name of namesOf(text)) {
    if (!existsSync(join(ROOT, name)) && !existsSync(resolve(ROOT, dirname(page), name))) broken.push(name)
  }
  expect(broken).toEqual([])
})

it('finds links and names, and leaves code and the web alone', () => {
  const text =
    'See [one](a.md#b), [web](https://a.test) and `[no](c.md)`: `edge/state/` runs `node edge/main.ts --help`.'
  expect(linksOf(text)).toEqual(['a.md#b'])
  expect(namesOf(`${text} @ficus/core/flags/flags library/edge/own.ts`)).toEqual([
    'edge/main.ts',
    'edge/state/',
    'core/flags/flags.ts',
  ])
  expect(anchorsOf('# Phases: what is allowed\n\n## The *way* back')).toEqual([
    'phases-what-is-allowed',
    'the-way-back',
  ])
})

it('knows the pages that a newcomer reads', () => {
  expect(pages).toEqual(expect.arrayContaining(['README.md', 'CONTEXT.md', 'core/SPEC.md', 'docs/concepts.md']))
})
