import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TOOLS } from '../../src/tools/registry.ts';
import type { Answer, GuardedClient } from '../support/guarded-service.ts';
import type { ToolArguments } from '../support/tool-calls/table.ts';
import { argumentsOf, lineOf, type ToolRun, ToolSite, WRITING } from '../support/tool-site.ts';
import {
  foreignGuests,
  guestOf,
  namesOfOthers,
  ownGuests,
  TENANTS,
  tenantPolicy,
} from '../support/tool-tenants.ts';

let site: ToolSite;
const clients = new Map<string, GuardedClient>();
beforeAll(async () => {
  site = await ToolSite.start({ policy: tenantPolicy() });
  for (const [subject] of TENANTS) clients.set(subject, await site.connect({ subject }));
}, 60_000);
afterAll(() => site.close());

describe.each(TENANTS)('%s, a tenant that is bound to the pool %s', (subject, pool) => {
  const own = ownGuests(pool);
  const run = (tool: string, args?: ToolArguments): Promise<ToolRun> => {
    const client = clients.get(subject);
    if (client === undefined) throw new Error('no client');
    return site.run(client, tool, args);
  };
  const plain = ({ raw }: Answer): string => raw.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'then');

  it.each(TOOLS.map(({ name }) => name))('sees and touches nothing of others with %s', async (tool) => {
    const { answer, arrived, acts } = await run(tool);
    const asked = JSON.stringify(argumentsOf(tool));
    expect(namesOfOthers(pool, answer.raw, asked)).toEqual([]);
    for (const act of acts) expect(own, lineOf(act)).toHaveProperty(guestOf(act) ?? 'no guest at all');
    // Another's guest is as one that does not exist.
    const of = foreignGuests(pool).find(({ vmid }) =>
      new RegExp(`"(?:vmid|id)":"?${vmid}\\b`).test(asked),
    )?.vmid;
    if (of === undefined) return;
    expect(acts).toEqual([]);
    expect(arrived.filter((request) => guestOf(request) === of)).toEqual([]);
    const nowhere = asked.replaceAll(new RegExp(`\\b${of}\\b`, 'g'), '799999');
    const { answer: gone } = await run(tool, JSON.parse(nowhere));
    expect(plain(answer)).toBe(plain(gone).replaceAll('799999', of));
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
