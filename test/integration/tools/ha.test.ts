import { describe, expect, it } from 'vitest';
import { loadBuiltInCatalogue } from '../../../src/catalogue/builtin.ts';
import { Catalogue } from '../../../src/catalogue/catalogue.ts';
import { type ClusterSpec, LOCAL_STORAGES } from '../../../src/simulator/estate.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const SHARED = {
  storage: 'nas',
  type: 'nfs' as const,
  content: ['images', 'rootdir'],
  shared: true,
  totalGib: 900,
  options: { server: '192.0.2.40', export: '/e' },
};

const ESTATE: ClusterSpec[] = [
  {
    name: 'production',
    nodes: [{ name: 'a1' }, { name: 'a2' }, { name: 'a3' }],
    storages: [...LOCAL_STORAGES, SHARED],
    guests: [
      { vmid: 100, type: 'qemu', node: 'a1', name: 'web', status: 'running', storage: 'nas' },
      { vmid: 101, type: 'qemu', node: 'a2', name: 'db', status: 'running', storage: 'nas' },
      { vmid: 102, type: 'qemu', node: 'a2', name: 'idle' },
      { vmid: 103, type: 'qemu', node: 'a1', name: 'gold', template: true },
      { vmid: 110, type: 'lxc', node: 'a3', name: 'dns', status: 'running', storage: 'nas' },
    ],
  },
];

/** A cluster with groups in place of rules. */
const OLD = new Catalogue({
  source: 'built-in',
  label: 'of the test',
  version: '8.4',
  methods: loadBuiltInCatalogue().methods,
});

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });
const old = (): Promise<ToolClient> => client({ simulator: { schema: OLD } });

const haOf = ({ production }: ToolClient) => production.state.datacenter.ha;
const guestOf = ({ production }: ToolClient, vmid: number) => production.state.guests.get(vmid);

describe('save_ha_resource', () => {
  it('puts a guest under HA as it is, and changes how it is treated', async () => {
    const tools = await client();
    const added = await tools.call('save_ha_resource', { name: 'web', max_restart: 3, comment: 'shop' });
    expect(added).toMatchObject({
      created: true,
      guest: { vmid: 100 },
      resource: { sid: 'vm:100', wanted: 'started', state: 'started', node: 'a1', max_restart: 3 },
    });
    expect(added.note).toBeUndefined();
    const changed = { name: 'web', max_relocate: 0, failback: false, comment: '' };
    expect(await tools.call('save_ha_resource', changed)).toMatchObject({ created: false });
    expect(haOf(tools).resources['vm:100']).toMatchObject({ max_restart: 3, max_relocate: 0, failback: 0 });
    expect(haOf(tools).resources['vm:100']).not.toHaveProperty('comment');
  });

  it('starts no guest that somebody stopped, unless told', async () => {
    const tools = await client();
    const answer = await tools.call('save_ha_resource', { vmid: 102 });
    expect(answer).toMatchObject({ resource: { wanted: 'stopped', state: 'stopped' } });
    expect(answer.note).toContain('scsi0 on local-lvm');
    expect(guestOf(tools, 102)?.status).toBe('stopped');
    await tools.call('save_ha_resource', { vmid: 102, state: 'started' });
    expect(guestOf(tools, 102)?.status).toBe('running');
  });

  it('refuses a template, a group where there are rules, and what is not there', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_ha_resource', args);
    expect((await refusal({ vmid: 103 })).message).toContain('template');
    expect((await refusal({ vmid: 100, group: 'g' })).message).toContain('rules in place of groups');
    expect((await refusal({ vmid: 999 })).code).toBe('NOT_FOUND');
    expect((await refusal({ vmid: 100, max_restart: -1 })).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toEqual([]);
  });
});

describe('list_ha and delete_ha_resource', () => {
  it('tells states, rules, master and quorum, what is not settled first', async () => {
    const tools = await client();
    expect(await tools.call('list_ha')).toMatchObject({ total: 0, quorate: true, resources: [] });
    await tools.call('save_ha_resource', { vmid: 100 });
    await tools.call('save_ha_resource', { name: 'dns' });
    await tools.call('save_ha_rule', {
      rule: 'apart',
      type: 'resource-affinity',
      guests: ['web', '110'],
      affinity: 'negative',
    });
    const a3 = tools.production.state.nodes.find(({ name }) => name === 'a3');
    if (a3) a3.online = false;
    const answer = await tools.call('list_ha');
    expect(answer).toMatchObject({
      quorate: true,
      master: 'a1',
      fencing: 'armed',
      total: 2,
      resources: [
        { sid: 'ct:110', name: 'dns', state: 'fence', wanted: 'started', rules: ['apart'] },
        { sid: 'vm:100', name: 'web', state: 'started', node: 'a1', rules: ['apart'] },
      ],
    });
    expect(answer.nodes[2]).toEqual({ node: 'a3', state: 'old timestamp - dead?' });
    expect(await tools.text('list_ha')).toContain('not settled: dns (fence)');
  });

  it('keeps what it knows where the rules may not be read', async () => {
    const tools = await client();
    await tools.call('save_ha_resource', { vmid: 100 });
    await tools.production.faults.add({ kind: 'status', code: 500, match: /ha\/rules/, message: 'broken' })
      .ready;
    const answer = await tools.call('list_ha');
    expect(answer).toMatchObject({ total: 1, unread: [{ part: 'rules' }] });
  });

  it('takes a guest out, and leaves it running', async () => {
    const tools = await client();
    for (const vmid of [100, 101]) await tools.call('save_ha_resource', { vmid });
    await tools.call('save_ha_rule', {
      rule: 'home',
      type: 'node-affinity',
      guests: ['web', 'db'],
      nodes: ['a1'],
    });
    const answer = await tools.call('delete_ha_resource', { name: 'web' });
    expect(answer).toMatchObject({ guest: { vmid: 100 }, rules: ['home'] });
    expect(Object.keys(haOf(tools).resources)).toEqual(['vm:101']);
    expect(haOf(tools).rules.home).toMatchObject({ resources: 'vm:101' });
    expect(guestOf(tools, 100)?.status).toBe('running');
    expect((await tools.refused('delete_ha_resource', { name: 'web' })).message).toContain('not under HA');
  });
});

describe('HA rules', () => {
  it('are made, listed, changed and deleted', async () => {
    const tools = await client();
    for (const vmid of [100, 101]) await tools.call('save_ha_resource', { vmid });
    const made = await tools.call('save_ha_rule', {
      rule: 'home',
      type: 'node-affinity',
      guests: ['web', '101'],
      nodes: ['a1:2', 'a2'],
      strict: true,
    });
    expect(made).toMatchObject({ created: true, rule: { strict: true, nodes: ['a1:2', 'a2'] } });
    expect(haOf(tools).rules.home).toMatchObject({ resources: 'vm:100,vm:101', strict: 1 });
    await tools.call('save_ha_rule', { rule: 'home', enabled: false, nodes: ['a3'] });
    expect(await tools.call('list_ha_rules')).toMatchObject({
      kind: 'rules',
      total: 1,
      rules: [
        {
          rule: 'home',
          type: 'node-affinity',
          enabled: false,
          nodes: ['a3'],
          guests: [
            { vmid: 100, name: 'web' },
            { vmid: 101, name: 'db' },
          ],
        },
      ],
    });
    await tools.call('delete_ha_rule', { rule: 'home' });
    expect(haOf(tools).rules).toEqual({});
    expect((await tools.refused('delete_ha_rule', { rule: 'home' })).code).toBe('NOT_FOUND');
  });

  it('that can not be are refused before anything leaves', async () => {
    const tools = await client();
    await tools.call('save_ha_resource', { vmid: 100 });
    await tools.call('save_ha_resource', { vmid: 101 });
    const before = tools.writes().length;
    const refusal = (args: Record<string, unknown>) => tools.refused('save_ha_rule', { rule: 'x1', ...args });
    const node = { type: 'node-affinity' };
    expect((await refusal({ ...node, guests: ['dns'], nodes: ['a1'] })).message).toContain('not under HA');
    expect((await refusal({ ...node, guests: ['nobody'], nodes: ['a1'] })).code).toBe('NOT_FOUND');
    expect((await refusal({ ...node, guests: ['web'], nodes: ['zz:1'] })).hint).toContain('a1, a2, a3');
    expect((await refusal({ ...node, guests: ['web'] })).message).toContain('nodes');
    expect((await refusal({ ...node, nodes: ['a1'] })).message).toContain('guests');
    expect((await refusal({ guests: ['web'], nodes: ['a1'] })).message).toContain('type');
    const together = { type: 'resource-affinity', affinity: 'positive' };
    expect((await refusal({ ...together, guests: ['web'] })).message).toContain('two guests');
    expect((await refusal({ ...together, guests: ['web', 'db'], strict: true })).message).toContain('strict');
    expect((await refusal({ type: 'resource-affinity', guests: ['web', 'db'] })).message).toContain(
      'affinity',
    );
    expect((await refusal({ rule: '../x', ...node, guests: ['web'], nodes: ['a1'] })).code).toBe(
      'INVALID_ARGUMENTS',
    );
    expect(tools.writes()).toHaveLength(before);
  });
});

describe('on 8.x', () => {
  it('groups of nodes stand in the place of rules', async () => {
    const tools = await old();
    const group = { rule: 'front', nodes: ['a1:2', 'a2'], strict: true, failback: false };
    expect(await tools.call('save_ha_rule', group)).toMatchObject({ created: true, rule: { type: 'group' } });
    expect(haOf(tools).groups.front).toMatchObject({ nodes: 'a1:2,a2', restricted: 1, nofailback: 1 });
    await tools.call('save_ha_resource', { name: 'web', group: 'front' });
    expect(haOf(tools).resources['vm:100']).toMatchObject({ group: 'front' });
    expect(await tools.call('list_ha_rules')).toMatchObject({
      kind: 'groups',
      rules: [{ rule: 'front', strict: true, failback: false, guests: [{ vmid: 100, name: 'web' }] }],
    });
    expect(await tools.call('list_ha')).toMatchObject({ resources: [{ group: 'front' }] });
    expect((await tools.refused('delete_ha_rule', { rule: 'front' })).message).toContain('holds 100');
    await tools.call('save_ha_resource', { name: 'web', group: '' });
    await tools.call('delete_ha_rule', { rule: 'front' });
    expect(haOf(tools).groups).toEqual({});
    expect(tools.production.requests.some(({ path }) => path.includes('/ha/rules'))).toBe(false);
  });

  it('what came with 9 is refused by name', async () => {
    const tools = await old();
    const apart = { rule: 'x1', type: 'resource-affinity', guests: ['web', 'db'], affinity: 'negative' };
    expect((await tools.refused('save_ha_rule', apart)).message).toContain('need Proxmox VE 9.0');
    const failback = { name: 'web', failback: true };
    expect((await tools.refused('save_ha_resource', failback)).message).toContain('9.0; production has 8.4');
    expect((await tools.refused('save_ha_resource', { name: 'web', group: 'none' })).code).toBe('NOT_FOUND');
    expect(tools.writes()).toEqual([]);
  });
});

describe('move_ha_guest', () => {
  it('migrates and relocates, and waits until the guest is there', async () => {
    const tools = await client();
    await tools.call('save_ha_resource', { vmid: 100 });
    const move = { name: 'web', action: 'migrate', node: 'a2', wait_seconds: 10 };
    expect(await tools.call('move_ha_guest', move)).toMatchObject({
      to: 'a2',
      moved: true,
      state: 'started',
    });
    expect(guestOf(tools, 100)).toMatchObject({ node: 'a2', status: 'running' });
    await tools.call('move_ha_guest', { vmid: 100, action: 'relocate', node: 'a3' });
    expect(guestOf(tools, 100)).toMatchObject({ node: 'a3', status: 'running' });
    expect(tools.writes().map(({ path }) => path.split('/').at(-1))).toEqual([
      'resources',
      'migrate',
      'relocate',
    ]);
  });

  it('says so where it is still on its way', async () => {
    const tools = await client({ simulator: { taskSeconds: 60 } });
    await tools.call('save_ha_resource', { vmid: 100 });
    const move = { name: 'web', action: 'migrate', node: 'a2', wait_seconds: 0 };
    expect(await tools.call('move_ha_guest', move)).toMatchObject({ moved: false });
  });

  it('is refused where HA would not do it', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) =>
      tools.refused('move_ha_guest', { action: 'migrate', node: 'a2', ...args });
    expect((await refusal({ name: 'web' })).message).toContain('not under HA');
    for (const vmid of [100, 101]) await tools.call('save_ha_resource', { vmid });
    await tools.call('save_ha_resource', { vmid: 110, state: 'ignored' });
    const before = tools.writes().length;
    expect((await refusal({ name: 'web', node: 'a1' })).message).toContain('already');
    expect((await refusal({ name: 'web', node: 'zz' })).code).toBe('NOT_FOUND');
    expect((await refusal({ name: 'dns' })).message).toContain('ignored');
    const a3 = tools.production.state.nodes.find(({ name }) => name === 'a3');
    if (a3) a3.online = false;
    expect((await refusal({ name: 'web', node: 'a3' })).message).toContain('dead');
    expect(tools.writes()).toHaveLength(before);
  });

  it('tells which rules keep it, and what moves along', async () => {
    const tools = await client();
    for (const vmid of [100, 101, 110]) await tools.call('save_ha_resource', { vmid });
    await tools.call('save_ha_rule', {
      rule: 'apart',
      type: 'resource-affinity',
      guests: ['web', 'db'],
      affinity: 'negative',
    });
    await tools.call('save_ha_rule', {
      rule: 'pair',
      type: 'resource-affinity',
      guests: ['web', 'dns'],
      affinity: 'positive',
    });
    const blocked = await tools.refused('move_ha_guest', { name: 'web', action: 'migrate', node: 'a2' });
    expect(blocked).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('vm:101 (resource-affinity)'),
    });
    expect(guestOf(tools, 100)?.node).toBe('a1');
    const moved = await tools.call('move_ha_guest', { name: 'web', action: 'migrate', node: 'a3' });
    expect(moved).toMatchObject({ moved: true, with: ['ct:110'] });
  });
});
