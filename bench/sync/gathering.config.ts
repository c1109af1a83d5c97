import { benchMigration } from './migration.ts'

export default benchMigration('gathering.sync.ts')
