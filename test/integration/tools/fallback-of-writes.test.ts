import { describe, expect, it } from 'vitest';
import { toolClient } from '../../support/tool-client.ts';

/** Tools that look before they write, with arguments that pass. */
const CALLS: readonly (readonly [tool: string, args: Record<string, unknown>])[] = [
  ['set_ceph_flags', { flags: ['noout'], on: true }],
  ['set_osd', { osd: 0, action: 'in' }],
  ['save_ceph_pool', { name: 'vms' }],
  ['delete_ceph_pool', { name: 'vms' }],
  ['delete_ha_rule', { rule: 'apart' }],
  ['save_ha_rule', { rule: 'apart', type: 'node-affinity', guests: ['100'], nodes: ['pve1'] }],
  ['apply_network', { node: 'pve1' }],
  ['prune_backups', { storage: 'local', keep: 'keep-last=1', apply: true }],
];

describe('what a write rests on', () => {
  it('is never read from the fallback of its cluster', async () => {
    const { refused, simulator, production } = await toolClient({
      clusters: ['production', 'staging'],
      config: ({ name }) => (name === 'production' ? { fallback: 'staging' } : {}),
    });
    const staging = simulator.cluster('staging');
    await production.stop();
    for (const [tool, args] of CALLS) {
      const before = staging.requests.length;
      const { code, message } = await refused(tool, { cluster: 'production', ...args });
      expect(`${tool} ${code}: ${message}`).toContain(`${tool} CLUSTER_UNREACHABLE`);
      expect(staging.requests.slice(before).map(({ path }) => `${tool} ${path}`)).toEqual([]);
    }
  });
});
