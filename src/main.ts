#!/usr/bin/env node
import { refuseOldNode } from './cli/node-version.ts';

if (!refuseOldNode()) {
  // Imported here and not above: what it imports in turn does not load in an older Node.
  const { run } = await import('./cli/program.ts');
  await run(process.argv);
}
