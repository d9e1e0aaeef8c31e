import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOLS } from '../../src/tools/registry.ts';
import type { Answer, GuardedClient } from '../support/guarded-service.ts';
import { policyOf } from '../support/policy.ts';
import type { ToolArguments } from '../support/tool-calls/table.ts';
import type { Arrived } from '../support/tool-estate.ts';
import { argumentsOf, lineOf, NO_APPROVAL, type ToolRun, ToolSite, WRITING } from '../support/tool-site.ts';

/** The guests of each pool of `production`, and all the other guests of the estate. */
const GUESTS = {
  web: { 100: 'web-01', 101: 'web-02' },
  data: { 102: 'db-01', 111: 'cache-01' },
  nobody: {
    103: 'build-01',
    110: 'dns-01',
    112: 'legacy-mail',
    181: 'cloud-01',
    182: 'copied-01',
    9000: 'debian-13-base',
  },
} as const;
const ELSEWHERE =
  /staging-(?:web|db|proxy|queue)|ubuntu-2404-base|dr-(?:monitor|web-standby|dns|archive|debian-base)/;

/** The guest that a request is about, by its path, a task, a backup or a parameter. */
function guestOf(request: Arrived): string | undefined {
  const text = `${lineOf(request)} ${JSON.stringify(request.params)}`;
  const found = /\/(?:qemu|lxc)\/(\d+)|UPID(?::[^:]*){5}:(\d+):|vzdump-[a-z]+-(\d+)-|"vmid":"?(\d+)"?/.exec(
    text,
  );
  return found?.slice(1).find((vmid) => vmid !== undefined);
}

let site: ToolSite;
const clients = new Map<string, GuardedClient>();
beforeAll(async () => {
  site = await ToolSite.start({
    policy: policyOf({
      roles: { all: { grants: [{ allow: '*' }] } },
      principals: [
        { match: { subject: 'web' }, roles: 'all', tenant: { pools: 'web' } },
        { match: { subject: 'data' }, roles: 'all', tenant: { pools: 'data' } },
        { match: { subject: 'web-ops' }, roles: 'all', tenant: { pools: 'web', infrastructure: true } },
      ],
      approval: NO_APPROVAL,
    }),
  });
  for (const subject of ['web', 'data', 'web-ops']) clients.set(subject, await site.connect({ subject }));
}, 60_000);
afterAll(() => site.close());

describe.each([
  ['web', 'web'],
  ['data', 'data'],
  ['web-ops', 'web'],
] as const)('%s, a tenant that is bound to the pool %s', (subject, pool) => {
  const own: Readonly<Record<string, string>> = GUESTS[pool];
  const foreign = Object.entries(GUESTS).flatMap(([name, guests]) =>
    name === pool ? [] : Object.entries(guests).map(([vmid, guest]) => ({ vmid, guest })),
  );

  const run = (tool: string, args?: ToolArguments): Promise<ToolRun> => {
    const client = clients.get(subject);
    if (client === undefined) throw new Error('no client');
    return site.run(client, tool, args);
  };
  const plain = ({ raw }: Answer): string => raw.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then');

  it.each(TOOLS.map(({ name }) => name))('sees and touches nothing of others with %s', async (tool) => {
    const { answer, arrived, acts } = await run(tool);
    const asked = JSON.stringify(argumentsOf(tool));
    const told = foreign.filter(({ guest }) => !asked.includes(guest) && answer.raw.includes(guest));
    expect(told.map(({ guest }) => guest)).toEqual([]);
    expect(answer.raw).not.toMatch(ELSEWHERE);
    for (const act of acts) expect(own, lineOf(act)).toHaveProperty(guestOf(act) ?? 'no guest at all');
    // Another's guest is as one that does not exist.
    const of = foreign.find(({ vmid }) => new RegExp(`"(?:vmid|id)":"?${vmid}\\b`).test(asked));
    if (of === undefined) return;
    expect(acts).toEqual([]);
    expect(arrived.filter((request) => guestOf(request) === of.vmid)).toEqual([]);
    const nowhere = asked.replaceAll(new RegExp(`\\b${of.vmid}\\b`, 'g'), '799999');
    const { answer: gone } = await run(tool, JSON.parse(nowhere));
    expect(plain(answer)).toBe(plain(gone).replaceAll('799999', of.vmid));
    // A storage that it does not see is told before the guest.
    if (WRITING.some(({ name }) => name === tool)) {
      expect(['NOT_FOUND', 'INVALID_ARGUMENTS']).toContain(answer.error?.code);
    }
  });

  it('sees and touches its own', async () => {
    const [vmid = '', name] = Object.entries(own)[0] ?? [];
    const { answer, writes } = await run('power_guest', { vmid: Number(vmid), action: 'stop' });
    expect(answer.data).toMatchObject({ guest: { name } });
    expect(writes).toHaveLength(1);
    expect((await run('find_guests', {})).answer.data.total).toBe(Object.keys(own).length);
  });
});
