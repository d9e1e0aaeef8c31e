import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../src/access/policy/policy.ts';
import type { GuardedClient } from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import type { Arrived } from '../support/tool-estate.ts';
import {
  ALL_RIGHTS,
  argumentsOf,
  IN_HALVES,
  lineOf,
  NO_APPROVAL,
  type ToolRun,
  ToolSite,
  WRITES_LATER,
  WRITING,
} from '../support/tool-site.ts';

let site: ToolSite;
beforeAll(async () => {
  site = await ToolSite.start();
}, 60_000);
afterAll(() => site.close());

const DEFAULT = defaultPolicy();
/** Every change needs one, which who asks gives itself. */
const SELF = policyOf({
  principals: [{ match: { subject: '*' }, roles: 'admin' }],
  approval: { ...NO_APPROVAL, change: 'self', destroy: 'self', execute: 'self' },
});

const isGrave = (request: Arrived): boolean =>
  site.risksOf(request).some((risk) => risk === 'destroy' || risk === 'execute');
const isChange = (request: Arrived): boolean => isGrave(request) || site.risksOf(request).includes('change');
/** What a program wrote comes with the approval of its start, which alone knows its number. */
const isFollowUp = ({ path }: Arrived): boolean => path.endsWith('/agent/exec-status');
const planned = ({ answer }: ToolRun): string[] =>
  ((answer.error?.plan?.calls ?? []) as { method: string; path: string }[]).map(
    ({ method, path }) => `${method} ${path}`,
  );

/** A principal may have so many plans waiting. */
const TOOLS_PER_PRINCIPAL = 12;
const clients = new Map<string, Promise<GuardedClient>>();
function clientOf(index: number): Promise<GuardedClient> {
  const subject = `group-${Math.floor(index / TOOLS_PER_PRINCIPAL)}`;
  const client = clients.get(subject) ?? site.connect({ subject });
  clients.set(subject, client);
  return client;
}

describe.each(WRITING.map(({ name }, index) => ({ tool: name, index })))('$tool', ({ tool, index }) => {
  let client: GuardedClient;
  let free: ToolRun;
  /** What it needs an approval for where every change does: reads of secrets do not. */
  let wanted: string[];
  beforeAll(async () => {
    client = await clientOf(index);
    site.use(ALL_RIGHTS);
    free = await site.run(client, tool);
    wanted = free.acts.filter((one) => isChange(one) && !isFollowUp(one)).map(lineOf);
  });

  it('destroys and executes nothing without an approval by a person, and the plan names its calls', async () => {
    site.use(DEFAULT);
    const run = await site.run(client, tool);
    expect(run.acts.filter(isGrave).map(lineOf)).toEqual([]);
    if (!free.acts.some(isGrave)) return;
    expect(run.answer.error).toMatchObject({
      code: 'APPROVAL_REQUIRED',
      plan: { number: expect.any(Number), approval: 'person' },
    });
    expect(run.writes).toEqual([]);
    expect(planned(run)).toEqual(wanted);
  });

  it('asks once for all that it does, before the first of it, and then does it', async () => {
    site.use(SELF);
    const asked = await site.run(client, tool);
    expect(asked.answer.error?.code).toBe('APPROVAL_REQUIRED');
    expect(asked.acts.filter(isChange).map(lineOf)).toEqual([]);
    const isHalf = IN_HALVES.has(tool);
    if (!WRITES_LATER.has(tool) && !isHalf) expect(planned(asked)).toEqual(wanted);
    const handle = asked.answer.error?.plan?.handle;
    const done = await site.run(client, tool, { ...argumentsOf(tool), handle });
    if (isHalf) {
      expect(done.writes).toEqual(planned(asked));
      expect(done.answer.error?.code).toBe('APPROVAL_REQUIRED');
      expect([...planned(asked), ...planned(done)].toSorted()).toEqual(wanted.toSorted());
      return;
    }
    expect(done.answer.error).toBeUndefined();
    expect(done.writes).toEqual(free.writes);
    const again = await site.run(client, tool, { ...argumentsOf(tool), handle });
    expect(again.answer.error?.code).toBe('APPROVAL_REQUIRED');
    expect(again.writes).toEqual([]);
  });
});
