import { expect } from 'vitest';
import type { Fault } from '../../../src/simulator/faults.ts';
import { bounded, expectEnding, faultTest, READ, useSimulator, WRITE } from '../../support/fault-cases.ts';
import type { FaultEstate } from '../../support/fault-estate.ts';

const simulated = useSimulator();

const APIDOC = /apidoc\.js/;
/** After a failure the host is asked for its schema again only so much later. */
const RETRY_SECONDS = 301;
const OWN = 'the schema of PVE';

const FAULTS: readonly (readonly [string, Fault])[] = [
  ['is refused by a proxy', { kind: 'status', code: 403, match: APIDOC }],
  ['is a page of HTML', { kind: 'html', match: APIDOC }],
  ['is cut off', { kind: 'truncated-json', end: true, match: APIDOC }],
  ['breaks off', { kind: 'truncated-json', match: APIDOC }],
  ['is at another host', { kind: 'redirect', match: APIDOC }],
  ['never comes', { kind: 'hang', match: APIDOC }],
];

async function sourceOf(estate: FaultEstate): Promise<string> {
  const { catalogue } = await estate.call('describe_api', { cluster: estate.target.name, path: '/nodes' });
  return String(catalogue);
}

for (const [what, fault] of FAULTS) {
  faultTest(
    simulated,
    `an API schema that ${what}: calls go on with the built-in one`,
    async (estate) => {
      estate.target.faults.add(fault);
      // The first callers wait five seconds for a schema, and no longer.
      expectEnding(await bounded(estate, () => estate.ask(...WRITE), 8_000), {}, estate);
      expectEnding(await bounded(estate, () => estate.ask(...READ)), {}, estate);
      expect(estate.writes).toHaveLength(1);
      expect(await sourceOf(estate)).not.toContain(OWN);
      await estate.target.faults.clear();
      // A schema that hangs is given up after a minute of real time, and then as the others.
      if (fault.kind === 'hang') return;
      estate.pass(RETRY_SECONDS);
      await expect.poll(() => sourceOf(estate), { timeout: 5_000 }).toContain(OWN);
    },
    { schema: true },
  );
}
