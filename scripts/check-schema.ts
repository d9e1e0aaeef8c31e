/**
 * Holds this project against an official API schema file and prints what differs.
 *
 * `npm run check:schema -- FILE`; exits 0 only where nothing differs.
 */
import { readFileSync } from 'node:fs';
import { argv, stderr, stdout } from 'node:process';
import { schemaFromFile } from '../src/simulator/schema/api-schema.ts';
import { TOOLS } from '../src/tools/registry.ts';
import { checkCatalogue, readOfficial } from './schema-checks/catalogue.ts';
import { checkSimulator } from './schema-checks/simulator.ts';
import { checkTools } from './schema-checks/tools.ts';

const file = argv[2];
if (file === undefined) {
  stderr.write('usage: npm run check:schema -- FILE\n');
  process.exitCode = 2;
} else {
  const text = readFileSync(file, 'utf8');
  const official = readOfficial(text);
  const reports = [
    checkCatalogue(text, official),
    checkTools(TOOLS, official),
    checkSimulator(schemaFromFile(file)),
  ];
  for (const { title, figures, differences } of reports) {
    stdout.write(
      `${title}: ${differences.length === 0 ? 'no difference' : `${differences.length} differences`}\n`,
    );
    for (const line of figures) stdout.write(`  ${line}\n`);
    for (const line of differences) stdout.write(`  - ${line}\n`);
  }
  process.exitCode = reports.every((report) => report.differences.length === 0) ? 0 : 1;
}
