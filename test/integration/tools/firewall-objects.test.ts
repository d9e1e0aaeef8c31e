import { describe, expect, it } from 'vitest';
import { firewallOf } from '../../../src/simulator/state/firewall.ts';
import { firewallClient as client } from '../../support/firewall-client.ts';
import type { Answer } from '../../support/tool-client.ts';

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
