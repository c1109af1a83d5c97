import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const run = promisify(execFile)

/** A file at this place, with an import that the house forbids there. */
const planted: readonly [file: string, imports: string][] = [
  ['core/planted.ts', '@ficus/cdc/main'],
  ['core/planted.test.ts', '@ficus/edge/main'],
  ['deploy/planted.ts', '@ficus/control/main'],
  ['deploy/planted.test.ts', '@ficus/control/main'],
  ['deploy/planted.pg.test.ts', '../monolith/main.ts'],
  ['edge/planted.ts', '@ficus/cdc/main'],
  ['edge/planted.ts', '../cdc/main.ts'],
  ['edge/planted.ts', '@ficus/deploy/native/postgres'],
  ['edge/planted.test.ts', '@ficus/control/main'],
  ['cdc/planted.ts', '@ficus/edge/main'],
  ['cdc/deeper/planted.ts', '../../contracts/main.ts'],
  ['cdc/planted.kafka.test.ts', '@ficus/control/main'],
  ['cdc/deeper/planted.pg.test.ts', '../../edge/main.ts'],
  ['contracts/planted.ts', '@ficus/cdc/main'],
  ['contracts/planted.pact.test.ts', '@shop/catalog/app'],
  ['control/planted.ts', '@ficus/edge/main'],
  ['control/planted.ts', '../monolith/main.ts'],
  ['control/planted.test.ts', '@ficus/edge/main'],
  ['control/planted.pg.test.ts', '@shop/monolith/app'],
  ['monolith/planted.ts', '@ficus/core/errors/ficus-error'],
  ['extracted-services/catalog/planted.ts', '@ficus/core/errors/ficus-error'],
  ['extracted-services/catalog/sync.ts', '@ficus/edge/main'],
]

/** Imports that the same rules must leave alone. */
const allowed: readonly [file: string, imports: string][] = [
  ['edge/planted.ts', '@ficus/core/errors/ficus-error'],
  ['edge/planted.test.ts', '@ficus/deploy/testing/postgres'],
  ['cdc/planted.pg.test.ts', '@ficus/deploy/testing/postgres'],
  ['contracts/planted.pact.test.ts', '@ficus/deploy/native/free-port'],
  ['deploy/planted.test.ts', '@ficus/core/errors/ficus-error'],
  ['control/planted.ts', '@ficus/cdc/main'],
  ['control/planted.pg.test.ts', '@ficus/contracts/verify-contracts'],
  ['extracted-services/catalog/sync.ts', '@ficus/cdc/mapping/define-sync'],
]

/** Lints the given files in an empty tree under the project's own rules; returns those that break an arrow. */
async function lintPlanted(files: readonly [string, string][]): Promise<[string, string][]> {
  const tree = await mkdtemp(join(tmpdir(), 'ficus-house-'))
  try {
    const rules = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'))
    await writeFile(join(tree, 'biome.json'), JSON.stringify({ ...rules, vcs: { enabled: false } }))
    await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
    const places = files.map(([file], index) => file.replace('planted', `planted-${index}`))
    for (const [index, place] of places.entries()) {
      await mkdir(dirname(join(tree, place)), { recursive: true })
      await writeFile(join(tree, place), `import { thing } from '${files[index]?.[1]}'\n\nexport const other = thing\n`)
    }
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
    const { stdout } = await run(process.execPath, [biome, 'lint', '--reporter=json', '.'], { cwd: tree }).catch(
      (failure: { stdout: string }) => failure,
    )
    const report: { diagnostics: { category: string; location: { path: string | { file: string } } }[] } =
      JSON.parse(stdout)
    const broken = report.diagnostics.filter(({ category }) => category.endsWith('noRestrictedImports'))
    const names = broken.map(({ location }) => (typeof location.path === 'string' ? location.path : location.path.file))
    return files.filter((_, index) => names.some(name => name.endsWith(places[index] ?? '')))
  } finally {
    await rm(tree, { recursive: true, force: true })
  }
}

it('the linter refuses an import against the arrows, in every package', async () => {
  expect(await lintPlanted(planted)).toEqual(planted)
})

it('the linter lets the imports along the arrows pass', async () => {
  expect(await lintPlanted(allowed)).toEqual([])
})
