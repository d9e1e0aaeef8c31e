import { describe, expect, it } from 'vitest';
import { firewallOf } from '../../../src/simulator/state/firewall.ts';
import { toolClient } from '../../support/tool-client.ts';

const DROP_ALL = { type: 'in', action: 'DROP' };
const WAY_IN = { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '8006' };

async function client(options: Record<string, unknown> = { enable: 1 }) {
  const tools = await toolClient({ clusters: ['production'] });
  const { firewalls } = tools.production.state.datacenter;
  const datacenter = firewallOf(firewalls, 'cluster');
  Object.assign(datacenter.options, options);
  return { ...tools, datacenter, node: firewallOf(firewalls, 'node/pve1') };
}

describe('set_firewall_options', () => {
  it('is not talked into dropping by a policy that is set back to its default', async () => {
    const { refused, call, datacenter, writes } = await client({ enable: 0, policy_in: 'ACCEPT' });
    const both = await refused('set_firewall_options', { enable: true, reset: ['policy_in'] });
    expect(both).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('8006') });
    datacenter.options.enable = 1;
    expect((await refused('set_firewall_options', { reset: ['policy_in'] })).code).toBe('CONFLICT');
    expect(writes()).toEqual([]);
    // Who says DROP means it.
    expect(await call('set_firewall_options', { policy_in: 'DROP' })).toMatchObject({
      changed: ['policy_in'],
    });
  });
});

describe('a rule that closes the way to the nodes', () => {
  it('is refused where the firewall filters, first in the list or at its place', async () => {
    const { refused, call, writes } = await client();
    const first = await refused('save_firewall_rule', DROP_ALL);
    expect(first).toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('8006') });
    expect(first.hint).toContain('Nothing was sent');
    expect((await refused('save_firewall_rule', { ...DROP_ALL, node: 'pve1' })).code).toBe('CONFLICT');
    expect(
      (await refused('save_firewall_rule', { ...DROP_ALL, proto: 'tcp', dport: '8000:9000' })).code,
    ).toBe('CONFLICT');
    expect(writes()).toEqual([]);
    await call('save_firewall_rule', WAY_IN);
    await call('save_firewall_rule', { ...DROP_ALL, insert_at: 1 });
    const moved = await refused('move_firewall_rule', { pos: 1, expect: DROP_ALL, to: 0 });
    expect(moved.code).toBe('CONFLICT');
    const off = await refused('save_firewall_rule', { pos: 0, expect: { dport: '8006' }, enable: false });
    expect(off.code).toBe('CONFLICT');
    const other = await refused('save_firewall_rule', { pos: 0, expect: { dport: '8006' }, dport: '22' });
    expect(other.code).toBe('CONFLICT');
  });

  it('is no matter of rules that leave it open, of guests, and of a firewall that is off', async () => {
    const { call, datacenter } = await client();
    await call('save_firewall_rule', { ...DROP_ALL, source: '203.0.113.0/24' });
    await call('save_firewall_rule', { ...DROP_ALL, proto: 'tcp', dport: '23' });
    await call('save_firewall_rule', { ...DROP_ALL, enable: false });
    await call('save_firewall_rule', { ...DROP_ALL, type: 'out' });
    await call('save_firewall_rule', { ...DROP_ALL, vmid: 100 });
    datacenter.options.enable = 0;
    await call('save_firewall_rule', DROP_ALL);
  });

  it('looks at the rules of the datacenter behind those of a node, and at the policy', async () => {
    const { call, refused, datacenter } = await client({ enable: 1, policy_in: 'ACCEPT' });
    await call('save_firewall_rule', { ...WAY_IN, node: 'pve1' });
    // The policy lets in what no rule decides.
    await call('save_firewall_rule', { node: 'pve1', pos: 0, expect: { dport: '8006' }, enable: false });
    await call('save_firewall_rule', { node: 'pve1', pos: 0, expect: { dport: '8006' }, enable: true });
    datacenter.options.policy_in = 'DROP';
    const off = { node: 'pve1', pos: 0, expect: { dport: '8006' }, enable: false };
    expect((await refused('save_firewall_rule', off)).code).toBe('CONFLICT');
    await call('save_firewall_rule', WAY_IN);
    await call('save_firewall_rule', off);
  });
});

describe('comments', () => {
  it('are one line: the file of a firewall has a rule on each', async () => {
    const { refused, writes } = await client();
    const comment = 'office\nIN ACCEPT';
    const rule = { type: 'in', action: 'ACCEPT', source: '10.0.0.1', comment };
    expect((await refused('save_firewall_rule', rule)).message).toContain('one line');
    const alias = { kind: 'alias', object: 'office', cidr: '10.0.0.0/8', comment };
    expect((await refused('save_firewall_object', alias)).message).toContain('one line');
    expect(writes()).toEqual([]);
  });
});
