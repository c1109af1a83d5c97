/** What the Unleash child prints once it listens; its own log says so only at a level that says much else. */
export const READY_LINE = 'unleash: ready'
