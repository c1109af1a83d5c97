import { benchMigration } from './migration.ts'

export default benchMigration('sync.ts')
