import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { Approvals } from '../../src/access/approvals/approvals.ts';
import { Jobs } from '../../src/access/jobs/jobs.ts';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import { RunBook } from '../../src/access/runs/runs.ts';
import { openState } from '../../src/access/state.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import { folderWith } from '../support/config-folder.ts';
import { toolClient } from '../support/tool-client.ts';

/** A service over a state file that can be made as full as a disk: SQLite then fails in the same way. */
async function start() {
  const state = openState(join(folderWith(), 'state.sqlite'));
  onTestFinished(() => state.close());
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  const redaction = new Redaction();
  const approvals = new Approvals({ state, logger, redaction });
  const jobs = new Jobs({ state, clusters: () => [], audit: undefined, redaction, logger });
  const gateOptions = { policy: defaultPolicy(), approvals, jobs, runs: new RunBook(state) };
  const client = await toolClient({ gateOptions });
  return {
    client,
    lines,
    setFull(isFull: boolean) {
      const { page_count: pages } = state.database.prepare('PRAGMA page_count').get() as {
        page_count: number;
      };
      state.database.exec(`PRAGMA max_page_count = ${isFull ? pages : 1_000_000}`);
    },
  };
}

const deletion = (number: number) => ({
  cluster: 'production',
  method: 'DELETE',
  path: `/cluster/backup/job-${number}`,
});

it('lets nothing through that needs an approval, while no plan can be kept, and goes on once one can', async () => {
  const { client, setFull } = await start();
  setFull(true);
  // There is room for some in what the file has already.
  let number = 0;
  let error = await client.refused('proxmox_api_call', deletion(number));
  while (error.code === 'APPROVAL_REQUIRED' && number < 60)
    error = await client.refused('proxmox_api_call', deletion(++number));
  expect(error).toMatchObject({ code: 'INTERNAL' });
  expect(error.message).not.toMatch(/sqlite|database/i);
  expect(client.writes()).toEqual([]);
  setFull(false);
  expect(await client.refused('proxmox_api_call', deletion(number))).toMatchObject({
    code: 'APPROVAL_REQUIRED',
  });
  expect(client.writes()).toEqual([]);
});

it('reports a write that was accepted, also where its task can not be noted, and says so in the log', async () => {
  const { client, lines, setFull } = await start();
  setFull(true);
  for (let count = 0; count < 60 && lines.length === 0; count++) {
    const snapshot = { cluster: 'production', vmid: 103, snapshot: `s${count}` };
    expect(await client.call('create_snapshot', snapshot)).toHaveProperty('task');
    expect(client.writes()).toHaveLength(count + 1);
  }
  expect(lines.join('')).toContain('database or disk is full');
});
