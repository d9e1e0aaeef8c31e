#!/usr/bin/env node
import { nodeVersionProblem } from './cli/node-version.ts';

const problem = nodeVersionProblem(process.version);
if (problem === undefined) {
  // Imported here and not above: what it imports in turn does not load in an older Node.
  const { run } = await import('./cli/program.ts');
  await run(process.argv);
} else {
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
}
