import { describe, expect, it } from 'vitest';
import type { Approvals } from '../../../src/access/approvals/approvals.ts';
import type { GatedCluster } from '../../../src/access/gate.ts';
import { type Principal, parseScopes } from '../../../src/access/principal.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { gateFor, policyWith, type TestGate } from '../../support/gate.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

function opened(scope = 'proxmox:admin', full: readonly string[] = [], gate: TestGate = {}) {
  const principal: Principal = {
    id: 'p',
    subject: 'alice',
    groups: [],
    scopes: parseScopes(scope),
    credential: 'jwt:t',
  };
  const cluster = new RecordingCluster('a');
  const fallback = new RecordingCluster('b');
  const entered: string[] = [];
  const enter = (name: string) => {
    if (full.includes(name)) throw new CallError('RATE_LIMITED', `${name} is full.`, { hint: 'Wait.' });
    entered.push(name);
  };
  const { signal } = new AbortController();
  const gated = gateFor(undefined, gate).open(
    { cluster, selectedBy: 'explicit', fallback },
    { principal, requestId: 'r1', tool: 't', door: 'stdio', signal, enter },
  );
  return { gated, cluster, fallback, entered };
}

const get = (gated: GatedCluster) => gated.request({ method: 'GET', path: parseApiPath('/version') });
const list = (gated: GatedCluster) => gated.inventory();

describe('places on a cluster', () => {
  it.each([
    ['a request', get],
    ['the inventory', list],
  ])('%s takes one before the cluster is asked', async (_name, ask) => {
    const { gated, cluster, entered } = opened();
    await ask(gated);
    expect([entered, cluster.calls.length]).toEqual([['a'], 1]);
  });

  it.each([
    ['a request', get],
    ['the inventory', list],
  ])('%s is refused where there is none: nothing is sent, to the fallback neither', async (_name, ask) => {
    const { gated, cluster, fallback } = opened('proxmox:admin', ['a']);
    await expect(ask(gated)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect([cluster.calls, fallback.calls]).toEqual([[], []]);
  });

  it.each([
    ['a request', get],
    ['the inventory', list],
  ])('%s takes one on the fallback too, once that is asked', async (_name, ask) => {
    for (const full of [[], ['b']]) {
      const { gated, cluster, fallback, entered } = opened('proxmox:admin', full);
      cluster.reply = () => {
        throw new CallError('CLUSTER_UNREACHABLE', 'a is unreachable.', { hint: 'Look.', cluster: 'a' });
      };
      const outcome = await ask(gated).then(
        () => 'answered',
        ({ message }) => message,
      );
      expect(outcome).toContain(full.length === 0 ? 'answered' : 'b is full.');
      expect(entered).toEqual(full.length === 0 ? ['a', 'b'] : ['a']);
      expect(fallback.calls).toHaveLength(full.length === 0 ? 1 : 0);
    }
  });

  it('where there is none, no approval is used up for a call that could not be made', async () => {
    const asked: string[] = [];
    const approvals = {
      require: async () => {
        asked.push('approval');
        return { by: 'carol', number: 1 };
      },
    } as unknown as Approvals;
    for (const full of [['a'], []]) {
      const { gated, cluster } = opened('proxmox:admin', full, { policy: policyWith('person'), approvals });
      const write = { method: 'POST', path: parseApiPath('/nodes/pve1/startall') } as const;
      await gated.request(write).catch(() => undefined);
      expect([asked.length, cluster.calls.length]).toEqual(full.length === 0 ? [1, 1] : [0, 0]);
    }
  });

  it('none is taken by what the policy refuses', async () => {
    const { gated, entered } = opened('');
    await expect(get(gated)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    await expect(list(gated)).rejects.toMatchObject({ code: 'POLICY_DENIED' });
    expect(entered).toEqual([]);
  });
});
