import { describe, expect, it } from 'vitest';
import { firewallOf } from '../../../src/simulator/state/firewall.ts';
import { sectionOf } from '../../../src/simulator/state/sdn.ts';
import { type Answer, toolClient } from '../../support/tool-client.ts';

async function client(options: Parameters<typeof toolClient>[0] = {}) {
  const tools = await toolClient({ clusters: ['production'], ...options });
  const { state } = tools.production;
  const { firewalls } = state.datacenter;
  return {
    ...tools,
    firewalls,
    datacenter: firewallOf(firewalls, 'cluster'),
    guest: (vmid: number) => firewallOf(firewalls, `guest/${vmid}`),
    comments: (list: Answer[]) => list.map(({ comment }) => comment),
  };
}

/** Three rules: first, second, third. */
function seed({ datacenter }: Awaited<ReturnType<typeof client>>): void {
  for (const [index, comment] of ['first', 'second', 'third'].entries()) {
    const dport = String(80 + index);
    datacenter.rules.push({ type: 'in', action: 'ACCEPT', enable: 1, proto: 'tcp', dport, comment });
  }
}

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

  it('stay as they are for who may only read', async () => {
    const tools = await client({ scope: 'proxmox:read' });
    seed(tools);
    const args = { pos: 0, expect: { comment: 'first' } };
    expect((await tools.refused('delete_firewall_rule', args)).code).toBe('POLICY_DENIED');
    expect(tools.datacenter.rules).toHaveLength(3);
  });
});

describe('firewall objects', () => {
  it('aliases are made, changed, renamed and deleted', async () => {
    const { call, datacenter, guest } = await client();
    const made = await call('save_firewall_object', {
      kind: 'alias',
      object: 'office',
      cidr: '198.51.100.0/24',
      comment: 'HQ',
    });
    expect(made).toMatchObject({ created: true, object: 'office' });
    await call('save_firewall_object', { kind: 'alias', object: 'office', new_name: 'hq' });
    expect(datacenter.aliases).toEqual({ hq: { cidr: '198.51.100.0/24', comment: 'HQ' } });
    await call('save_firewall_object', { vmid: 100, kind: 'alias', object: 'me', cidr: '10.0.0.1' });
    expect(guest(100).aliases.me).toEqual({ cidr: '10.0.0.1' });
    const references = await call('list_firewall_objects', { vmid: 100, kind: 'reference' });
    expect(references.objects.map(({ name }: Answer) => name)).toEqual(['dc/hq', 'guest/me']);
    await call('delete_firewall_object', { kind: 'alias', object: 'hq' });
    expect(datacenter.aliases).toEqual({});
  });

  it('IP sets have entries that are added, changed and deleted', async () => {
    const { call, refused, datacenter } = await client();
    const made = await call('save_firewall_object', {
      kind: 'ipset',
      object: 'admins',
      entries: ['10.0.0.0/8 # inside', '!10.1.0.0/16', '2001:db8::1'],
    });
    expect(made).toMatchObject({ created: true, entries_saved: 3 });
    await call('save_firewall_object', {
      kind: 'ipset',
      object: 'admins',
      entries: ['10.1.0.0/16 # again in'],
    });
    const { objects } = await call('list_firewall_objects', { kind: 'ipset' });
    expect(objects).toEqual([
      {
        name: 'admins',
        total_entries: 3,
        entries: expect.arrayContaining([
          { cidr: '10.0.0.0/8', comment: 'inside' },
          { cidr: '10.1.0.0/16', comment: 'again in' },
          { cidr: '2001:db8::1' },
        ]),
      },
    ]);
    await call('delete_firewall_object', { kind: 'ipset', object: 'admins', entries: ['10.0.0.0/8'] });
    expect(datacenter.ipsets.admins?.entries.map(({ cidr }) => cidr).toSorted()).toEqual([
      '10.1.0.0/16',
      '2001:db8::1',
    ]);
    expect((await refused('delete_firewall_object', { kind: 'ipset', object: 'admins' })).code).toBe(
      'CONFLICT',
    );
    await call('delete_firewall_object', { kind: 'ipset', object: 'admins', force: true });
    expect(datacenter.ipsets).toEqual({});
  });

  it('groups are made, commented, renamed and deleted once they are empty', async () => {
    const { call, refused, firewalls } = await client();
    await call('save_firewall_object', { kind: 'group', object: 'web', comment: 'Web' });
    await call('save_firewall_object', {
      kind: 'group',
      object: 'web',
      comment: 'Websites',
      new_name: 'www',
    });
    expect(firewalls.groups).toEqual({ www: { rules: [], comment: 'Websites' } });
    await call('save_firewall_rule', { group: 'www', type: 'in', action: 'ACCEPT', macro: 'HTTP' });
    const full = await refused('delete_firewall_object', { kind: 'group', object: 'www' });
    expect(full.message).toContain('has 1 rule');
    const list = await call('list_firewall_objects', { kind: 'group' });
    expect(list.objects).toEqual([{ name: 'www', comment: 'Websites', rules: 1 }]);
    await call('delete_firewall_rule', { group: 'www', pos: 0, expect: { macro: 'HTTP' } });
    await call('delete_firewall_object', { kind: 'group', object: 'www' });
    expect(firewalls.groups).toEqual({});
  });

  it('that rules use are not deleted, and wrong ones are refused before anything leaves', async () => {
    const { refused, datacenter, writes } = await client();
    datacenter.aliases.office = { cidr: '198.51.100.0/24' };
    datacenter.rules.push({ type: 'in', action: 'ACCEPT', enable: 1, source: 'dc/office' });
    const cases = [
      ['delete_firewall_object', { kind: 'alias', object: 'office' }, 'CONFLICT', 'is used by rule 0'],
      ['delete_firewall_object', { kind: 'alias', object: 'ofice' }, 'NOT_FOUND', 'Did you mean "office"?'],
      ['save_firewall_object', { kind: 'alias', object: 'x1' }, 'INVALID_ARGUMENTS', 'needs `cidr`'],
      [
        'save_firewall_object',
        { kind: 'alias', object: 'x1', cidr: 'ten' },
        'INVALID_ARGUMENTS',
        'no address',
      ],
      ['save_firewall_object', { kind: 'group', object: 'web', vmid: 100 }, 'INVALID_ARGUMENTS', 'belong to'],
      [
        'save_firewall_object',
        { kind: 'ipset', object: 'x1', entries: ['0.0.0.0/0'] },
        'INVALID_ARGUMENTS',
        '/0',
      ],
      ['save_firewall_object', { kind: 'ipset', object: '1x' }, 'INVALID_ARGUMENTS', 'begin with a letter'],
    ] as const;
    for (const [tool, args, code, message] of cases) {
      const error = await refused(tool, args);
      expect(error.code, message).toBe(code);
      expect(error.message).toContain(message);
    }
    expect(writes()).toEqual([]);
  });

  it('macros are listed, and searched', async () => {
    const { call } = await client();
    const { objects, total } = await call('list_firewall_objects', { kind: 'macro', object: 'http' });
    expect(objects.map(({ name }: Answer) => name)).toEqual(['HTTP', 'HTTPS']);
    expect(total).toBe(2);
  });
});

describe('get_firewall_log', () => {
  it('shows the end of it, and why there is none', async () => {
    const { call, guest, firewalls } = await client();
    const none = await call('get_firewall_log', { vmid: 100 });
    expect(none).toMatchObject({ lines: [], total: 0 });
    expect(none.note).toContain('log level');
    guest(100).options.enable = 1;
    const { lines, total } = await call('get_firewall_log', { vmid: 100, limit: 3 });
    expect({ shown: lines.length, total }).toEqual({ shown: 3, total: 12 });
    expect((await call('get_firewall_log', { vmid: 100 })).lines.slice(-3)).toEqual(lines);
    firewallOf(firewalls, 'node/pve2').options.enable = 1;
    expect((await call('get_firewall_log', { node: 'pve2', since: '2026-01-01T00:00:00Z' })).total).toBe(12);
  });
});
