import { describe, expect, it } from 'vitest';
import { firewallOf } from '../../../src/simulator/state/firewall.ts';
import { sectionOf } from '../../../src/simulator/state/sdn.ts';
import { firewallClient as client } from '../../support/firewall-client.ts';

describe('get_firewall', () => {
  it('says that nothing is filtered while the datacenter is off, and why', async () => {
    const { call, text, datacenter, guest, writes } = await client();
    guest(100).options.enable = 1;
    const off = await call('get_firewall', { name: 'web-01' });
    expect(off).toMatchObject({ effective: false, policies: { policy_in: 'DROP', policy_out: 'ACCEPT' } });
    expect(off.why_not).toEqual([expect.stringContaining('firewall of the datacenter is off')]);
    datacenter.options.enable = 1;
    expect((await call('get_firewall', { name: 'web-01' })).effective).toBe(true);
    expect(await text('get_firewall', { vmid: 100 })).toContain('VM 100 (web-01) of production');
    expect(await call('get_firewall')).toMatchObject({
      scope: { kind: 'datacenter' },
      effective: true,
      counts: { rules: 0, enabled_rules: 0, aliases: 0, ipsets: 0, groups: 0 },
    });
    expect(writes()).toEqual([]);
  });

  it('names NICs that pass everything, and a guest whose own firewall is off', async () => {
    const { call, datacenter, guest } = await client();
    datacenter.options.enable = 1;
    guest(110).options.enable = 1;
    const open = await call('get_firewall', { vmid: 110 });
    expect(open.effective).toBe(false);
    expect(open.why_not[0]).toContain('net0 without firewall=1');
    const off = await call('get_firewall', { vmid: 101 });
    expect(off.why_not).toEqual(['the firewall of the guest is off']);
  });

  it('knows nodes, which are on unless turned off, and vnets; and refuses two at once', async () => {
    const { call, refused, datacenter, firewalls, production } = await client();
    datacenter.options.enable = 1;
    expect((await call('get_firewall', { node: 'pve2' })).effective).toBe(true);
    firewallOf(firewalls, 'node/pve2').options.enable = 0;
    expect((await call('get_firewall', { node: 'pve2' })).effective).toBe(false);
    sectionOf(production.state.datacenter.sdn.config, 'zones').z1 = { zone: 'z1', type: 'simple' };
    sectionOf(production.state.datacenter.sdn.config, 'vnets').web = { vnet: 'web', zone: 'z1' };
    const vnet = await call('get_firewall', { vnet: 'web' });
    expect(vnet).toMatchObject({ effective: false, policies: { policy_forward: 'ACCEPT' } });
    expect(vnet.note).toContain('nftables');
    expect((await refused('get_firewall', { vmid: 100, node: 'pve1' })).message).toContain('one firewall');
    expect((await refused('get_firewall', { node: 'pve9' })).hint).toContain('pve1, pve2, pve3');
  });
});

describe('set_firewall_options', () => {
  it('turns a guest’s on, and says what still stands against it', async () => {
    const { call, guest } = await client();
    const answer = await call('set_firewall_options', {
      vmid: 100,
      enable: true,
      policy_in: 'REJECT',
      options: { macfilter: false, log_level_in: 'info' },
    });
    expect(guest(100).options).toEqual({
      enable: 1,
      policy_in: 'REJECT',
      macfilter: 0,
      log_level_in: 'info',
    });
    expect(answer).toMatchObject({ effective: false });
    expect(answer.changed.toSorted()).toEqual(['enable', 'log_level_in', 'macfilter', 'policy_in']);
    expect(answer.note).toContain('datacenter is off');
    const again = await call('set_firewall_options', {
      vmid: 100,
      policy_in: 'REJECT',
      reset: ['macfilter'],
    });
    expect(again).toMatchObject({ changed: ['macfilter'], before: { macfilter: 0 } });
    expect(guest(100).options).not.toHaveProperty('macfilter');
  });

  it('refuses to lock itself out, unless it is said or a rule lets it in', async () => {
    const tools = await client();
    const { call, refused, datacenter, writes } = tools;
    const error = await refused('set_firewall_options', { enable: true });
    expect(error).toMatchObject({ code: 'CONFLICT' });
    expect(error.hint).toContain('8006');
    expect(writes()).toEqual([]);
    datacenter.rules.push({ type: 'in', action: 'ACCEPT', enable: 1, proto: 'tcp', dport: '22,8000:8010' });
    expect(await call('set_firewall_options', { enable: true })).toMatchObject({ effective: true });
    expect(datacenter.options.enable).toBe(1);
    datacenter.rules.length = 0;
    datacenter.options.enable = 0;
    await call('set_firewall_options', { enable: true, policy_in: 'DROP' });
    expect(datacenter.options).toMatchObject({ enable: 1, policy_in: 'DROP' });
  });

  it('refuses options that this firewall does not have, and nothing leaves', async () => {
    const { refused, writes } = await client();
    const cases = [
      [{ vmid: 100, options: { nftables: true } }, 'has no option "nftables"'],
      [{ node: 'pve1', policy_in: 'DROP' }, 'has no option "policy_in"'],
      [{ vmid: 100, options: { macfiler: true } }, 'Did you mean "macfilter"?'],
      [{ vmid: 100, enable: true, reset: ['enable'] }, 'both set and reset'],
      [{ vmid: 100 }, 'Nothing to change'],
      [{ vmid: 100, options: { log_level_in: 'loud' } }, 'log_level_in'],
    ] as const;
    for (const [args, message] of cases) {
      expect((await refused('set_firewall_options', args)).message).toContain(message);
    }
    expect(writes()).toEqual([]);
  });
});
