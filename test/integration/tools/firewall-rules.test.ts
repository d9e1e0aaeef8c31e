import { describe, expect, it } from 'vitest';
import { firewallOf } from '../../../src/simulator/state/firewall.ts';
import { sectionOf } from '../../../src/simulator/state/sdn.ts';
import { firewallClient as client } from '../../support/firewall-client.ts';
import { policyWith } from '../../support/gate.ts';
import type { Answer } from '../../support/tool-client.ts';

/** Three rules: first, second, third. */
function seed({ datacenter }: Awaited<ReturnType<typeof client>>): void {
  for (const [index, comment] of ['first', 'second', 'third'].entries()) {
    const dport = String(80 + index);
    datacenter.rules.push({ type: 'in', action: 'ACCEPT', enable: 1, proto: 'tcp', dport, comment });
  }
}

describe('firewall rules', () => {
  it('are listed in order, with the rules of their groups and a digest', async () => {
    const tools = await client();
    const { call, text, datacenter, firewalls } = tools;
    seed(tools);
    firewalls.groups.web = { rules: [{ type: 'in', action: 'ACCEPT', enable: 1, macro: 'HTTPS' }] };
    datacenter.rules.push({ type: 'group', action: 'web', enable: 0 });
    const { rules, total, groups, digest, effective } = await call('list_firewall_rules');
    expect(rules.map(({ pos, comment }: Answer) => [pos, comment])).toEqual([
      [0, 'first'],
      [1, 'second'],
      [2, 'third'],
      [3, undefined],
    ]);
    expect(rules[3]).toEqual({ pos: 3, type: 'group', action: 'web', enable: false });
    expect(groups.web).toEqual([{ pos: 0, type: 'in', action: 'ACCEPT', enable: true, macro: 'HTTPS' }]);
    expect({ total, effective }).toEqual({ total: 4, effective: false });
    expect(digest).toMatch(/^[0-9a-f]{40}$/);
    expect(await text('list_firewall_rules', { limit: 2 })).toContain(
      '4 firewall rules, showing the first 2',
    );
    expect((await call('list_firewall_rules', { group: 'web' })).rules).toHaveLength(1);
  });

  it('are made first, or at a place, and enabled', async () => {
    const tools = await client();
    const { call, datacenter, comments, writes } = tools;
    seed(tools);
    datacenter.options.enable = 1;
    const made = await call('save_firewall_rule', {
      type: 'in',
      action: 'accept',
      proto: 'tcp',
      dport: '22',
      source: '10.0.0.0/8,192.0.2.1',
      comment: 'ssh',
    });
    expect(made).toMatchObject({ created: true, total: 4, rule: { pos: 0, action: 'ACCEPT', enable: true } });
    expect(made).not.toHaveProperty('note');
    const placed = await call('save_firewall_rule', {
      type: 'in',
      action: 'DROP',
      comment: 'placed',
      insert_at: 2,
      enable: false,
    });
    expect(placed.rule).toMatchObject({ pos: 2, comment: 'placed', enable: false });
    expect(comments(datacenter.rules)).toEqual(['ssh', 'first', 'placed', 'second', 'third']);
    await call('save_firewall_rule', { type: 'out', action: 'DROP', comment: 'last', insert_at: 99 });
    expect(comments(datacenter.rules).at(-1)).toBe('last');
    expect(writes().filter(({ method }) => method === 'POST')).toHaveLength(3);
  });

  it('of a guest, by its name, say when they have no effect; of a group and a node work, too', async () => {
    const { call, guest, firewalls } = await client();
    const made = await call('save_firewall_rule', {
      name: 'web-01',
      type: 'in',
      action: 'ACCEPT',
      macro: 'Web',
    });
    expect(guest(100).rules).toEqual([{ type: 'in', action: 'ACCEPT', macro: 'Web', enable: 1 }]);
    expect(made.note).toContain('It has no effect yet');
    await call('save_firewall_object', { kind: 'group', object: 'web-servers' });
    await call('save_firewall_rule', { group: 'web-servers', type: 'in', action: 'ACCEPT', macro: 'HTTPS' });
    expect(firewalls.groups['web-servers']?.rules).toHaveLength(1);
    await call('save_firewall_rule', { node: 'pve1', type: 'group', action: 'web-servers' });
    expect(firewallOf(firewalls, 'node/pve1').rules).toEqual([
      { type: 'group', action: 'web-servers', enable: 1 },
    ]);
  });

  it('are changed in part, and what is removed goes', async () => {
    const tools = await client();
    const { call, datacenter } = tools;
    seed(tools);
    const { rule } = await call('save_firewall_rule', {
      pos: 1,
      expect: { comment: 'second' },
      enable: false,
      remove: ['dport'],
      comment: '',
    });
    expect(rule).toEqual({ pos: 1, type: 'in', action: 'ACCEPT', enable: false, proto: 'tcp' });
    expect(datacenter.rules[1]).toEqual({ type: 'in', action: 'ACCEPT', enable: 0, proto: 'tcp' });
    expect(datacenter.rules[0]).toMatchObject({ comment: 'first', dport: '80' });
  });

  it('are never mistaken for another after the list has shifted', async () => {
    const tools = await client();
    const { call, refused, datacenter, comments, writes } = tools;
    seed(tools);
    const { digest } = await call('list_firewall_rules');
    datacenter.rules.unshift({ type: 'in', action: 'DROP', enable: 1, comment: 'new' });
    const before = comments(datacenter.rules);
    expect(await refused('delete_firewall_rule', { pos: 1, digest })).toMatchObject({ code: 'CONFLICT' });
    const moved = await refused('delete_firewall_rule', { pos: 1, expect: { comment: 'second' } });
    expect(moved).toMatchObject({ code: 'CONFLICT' });
    expect(moved.message).toContain('in ACCEPT tcp port 80 ("first")');
    expect(moved.hint).toContain('Such a rule is at 2');
    expect((await refused('delete_firewall_rule', { pos: 1 })).code).toBe('INVALID_ARGUMENTS');
    expect((await refused('delete_firewall_rule', { pos: 9, digest })).code).toBe('NOT_FOUND');
    expect((await refused('move_firewall_rule', { pos: 1, to: 0, digest })).code).toBe('CONFLICT');
    const change = await refused('save_firewall_rule', { pos: 1, digest, action: 'DROP' });
    expect(change.code).toBe('CONFLICT');
    expect((await refused('delete_firewall_rule', { pos: 1, expect: { comments: 'x' } })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(comments(datacenter.rules)).toEqual(before);
    expect(writes()).toEqual([]);
  });

  it('are moved and deleted as expected, with the digest of the list', async () => {
    const tools = await client();
    const { call, text, datacenter, comments, writes } = tools;
    seed(tools);
    const down = await call('move_firewall_rule', { pos: 0, to: 2, expect: { comment: 'first' } });
    expect(down).toMatchObject({ from: 0, rule: { pos: 2, comment: 'first' } });
    expect(comments(datacenter.rules)).toEqual(['second', 'third', 'first']);
    await call('move_firewall_rule', { pos: 2, to: 0, digest: down.digest });
    expect(comments(datacenter.rules)).toEqual(['first', 'second', 'third']);
    expect(await text('move_firewall_rule', { pos: 1, to: 1, expect: { comment: 'second' } })).toContain(
      'is at 1 already; nothing was sent',
    );
    const gone = await call('delete_firewall_rule', { pos: 1, expect: { dport: 81 } });
    expect(gone).toMatchObject({ deleted: { comment: 'second' }, left: 2 });
    expect(comments(datacenter.rules)).toEqual(['first', 'third']);
    expect(writes().map(({ params }) => params.digest)).not.toContain(undefined);
  });

  it('that can not be are refused before anything leaves', async () => {
    const { refused, writes } = await client();
    const rule = { type: 'in', action: 'ACCEPT' };
    const cases = [
      [{ ...rule, dport: '22' }, 'dport needs `proto`'],
      [{ ...rule, proto: 'icmp', dport: '22' }, 'does not go with proto'],
      [{ ...rule, proto: 'tcp', dport: '70000' }, 'dport holds'],
      [{ ...rule, proto: 'tcp', dport: '90:80' }, 'dport holds'],
      [{ ...rule, source: '10.0.0.0/33' }, 'source holds'],
      [{ ...rule, source: 'office' }, 'no alias "office"'],
      [{ ...rule, dest: '+admins' }, 'no IP set "+admins"'],
      [{ ...rule, macro: 'HTPS' }, 'Did you mean "HTTPS"?'],
      [{ type: 'in', action: 'ALLOW' }, 'ACCEPT, DROP, REJECT'],
      [{ type: 'group', action: 'nope' }, 'no security group'],
      [{ type: 'group', action: 'nope', dport: '1' }, 'takes no dport'],
      [{ type: 'forward', action: 'DROP', vmid: 100 }, 'no matter of a guest'],
      [{ ...rule, vmid: 100, iface: 'eth0' }, 'net0, net1'],
      [{ ...rule, icmp_type: 'any' }, 'icmp_type needs'],
      [{ action: 'ACCEPT' }, 'needs `type` and `action`'],
    ] as const;
    for (const [args, message] of cases) {
      const error = await refused('save_firewall_rule', args);
      expect(error.code).toBe('INVALID_ARGUMENTS');
      expect(error.message).toContain(message);
    }
    expect(writes()).toEqual([]);
  });

  it('of a vnet are for what is forwarded', async () => {
    const { call, refused, firewalls, production } = await client();
    const { config } = production.state.datacenter.sdn;
    sectionOf(config, 'zones').lab = { zone: 'lab', type: 'simple' };
    sectionOf(config, 'vnets').web = { vnet: 'web', zone: 'lab' };
    await call('save_firewall_rule', { vnet: 'web', type: 'forward', action: 'DROP', proto: 'udp' });
    expect(firewallOf(firewalls, 'vnet/web').rules).toEqual([
      { type: 'forward', action: 'DROP', enable: 1, proto: 'udp' },
    ]);
    expect((await call('list_firewall_rules', { vnet: 'web' })).total).toBe(1);
    const wrong = await refused('save_firewall_rule', { vnet: 'web', type: 'in', action: 'DROP' });
    expect(wrong.message).toContain('forward or group alone');
    await call('delete_firewall_rule', { vnet: 'web', pos: 0, expect: { proto: 'udp' } });
    expect(firewallOf(firewalls, 'vnet/web').rules).toEqual([]);
  });

  it('that are made at a place ask for one approval of both writes', async () => {
    const tools = await client({ gateOptions: { policy: policyWith('self') } });
    seed(tools);
    const args = { type: 'in', action: 'DROP', comment: 'placed', insert_at: 1 };
    const { code, hint } = await tools.refused('save_firewall_rule', args);
    expect(code).toBe('APPROVAL_REQUIRED');
    expect(tools.writes()).toEqual([]);
    const handle = /handle:? "?([\w-]{8,})/.exec(hint)?.[1];
    await tools.call('save_firewall_rule', { ...args, handle });
    expect(tools.comments(tools.datacenter.rules)).toEqual(['first', 'placed', 'second', 'third']);
    expect(tools.writes()).toHaveLength(2);
  });

  it('are not written for a guest that has another name by now', async () => {
    const { refused, writes } = await client();
    const rule = { type: 'in', action: 'ACCEPT', macro: 'SSH' };
    expect((await refused('save_firewall_rule', { vmid: 100, name: 'web-02', ...rule })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(writes()).toEqual([]);
  });

  it('stay as they are for who may only read', async () => {
    const tools = await client({ scope: 'proxmox:read' });
    seed(tools);
    const args = { pos: 0, expect: { comment: 'first' } };
    expect((await tools.refused('delete_firewall_rule', args)).code).toBe('POLICY_DENIED');
    expect(tools.datacenter.rules).toHaveLength(3);
  });
});
