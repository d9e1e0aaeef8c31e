import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/config/secret.ts';
import type { ClusterSpec } from '../../../src/simulator/estate.ts';
import type { SimulatedCluster } from '../../../src/simulator/simulator.ts';
import { type ToolClient, type ToolClientOptions, toolClient } from '../../support/tool-client.ts';

const ESTATE: ClusterSpec[] = [{ name: 'production', nodes: [{ name: 'a1' }] }];

const client = (options: ToolClientOptions = {}): Promise<ToolClient> =>
  toolClient({ ...options, simulator: { clusters: ESTATE, ...options.simulator } });

const stored = ({ production }: ToolClient, path: string, name: string) =>
  production.state.collections.items.get(path)?.get(name);

/** Of each kind: what makes one, what changes it, where it is then, and what an answer must not hold. */
const KINDS = [
  {
    kind: 'acme_plugin',
    path: '/cluster/acme/plugins',
    options: { type: 'dns', api: 'cf', data: 'c4n4ry' },
    change: { 'validation-delay': 60 },
  },
  {
    kind: 'gotify',
    path: '/cluster/notifications/endpoints/gotify',
    options: { server: 'https://gotify.example.com', token: 'c4n4ry' },
    change: { comment: 'phone' },
    remove: ['comment'],
  },
  {
    kind: 'sendmail',
    path: '/cluster/notifications/endpoints/sendmail',
    options: { mailto: ['ops@example.com'] },
    change: { author: 'PVE' },
    remove: ['author'],
  },
  {
    kind: 'smtp',
    path: '/cluster/notifications/endpoints/smtp',
    options: {
      server: 'mx.example.com',
      'from-address': 'pve@example.com',
      mailto: ['a@example.com'],
      password: 'c4n4ry',
    },
    change: { port: 587 },
    remove: ['port'],
  },
  {
    kind: 'webhook',
    path: '/cluster/notifications/endpoints/webhook',
    options: {
      url: 'https://hook.example.com',
      method: 'post',
      header: ['name=A,value=c4n4ry'],
      secret: [{ name: 'k', value: 'c4n4ry' }],
    },
    change: { comment: 'chat' },
    remove: ['comment'],
  },
  {
    kind: 'matcher',
    path: '/cluster/notifications/matchers',
    options: { target: ['mail-to-root'], 'match-severity': ['error,warning'] },
    change: { mode: 'any' },
    remove: ['mode'],
  },
  {
    kind: 'metric_server',
    path: '/cluster/metrics/server',
    options: { type: 'influxdb', server: 'influx.example.com', port: 8089, token: 'c4n4ry' },
    change: { bucket: 'pve' },
    remove: ['bucket'],
  },
  {
    kind: 'pci_mapping',
    path: '/cluster/mapping/pci',
    options: { map: [{ node: 'a1', path: '0000:01:00.0', id: '10de:2204' }] },
    change: { description: 'GPU' },
    remove: ['description'],
  },
  {
    kind: 'usb_mapping',
    path: '/cluster/mapping/usb',
    options: { map: ['node=a1,id=0951:1666'] },
    change: { description: 'dongle' },
    remove: ['description'],
  },
  {
    kind: 'dir_mapping',
    path: '/cluster/mapping/dir',
    options: { map: ['node=a1,path=/srv/share'] },
    change: { description: 'share' },
    remove: ['description'],
  },
];

/** Accounts of ACME are for root@pam alone. */
function asRoot({ state }: SimulatedCluster) {
  const root = state.access.users.get('root@pam');
  if (root) root.password = 'c4n4ry-of-root';
  const credentials = { kind: 'password' as const, user: 'root@pam', password: new Secret('c4n4ry-of-root') };
  return { credentials };
}

describe('save_setting, list_settings and delete_setting', () => {
  it.each(['acme', 'notifications', 'metrics', 'mapping'])(
    'make, change, show and delete: %s',
    async (part) => {
      const tools = await client();
      const kinds = KINDS.filter(({ path }) => path.startsWith(`/cluster/${part}`));
      expect(kinds.length).toBeGreaterThan(0);
      for (const { kind, path, options, change, remove } of kinds) {
        const made = await tools.call('save_setting', { kind, name: 'one', options });
        expect(made).toMatchObject({ kind, created: true, setting: { name: 'one' } });
        expect(stored(tools, path, 'one')).toBeDefined();
        const changed = await tools.call('save_setting', { kind, name: 'one', options: change });
        expect(changed).toMatchObject({ created: false });
        expect(stored(tools, path, 'one')).toMatchObject(change);
        if (remove !== undefined) {
          await tools.call('save_setting', { kind, name: 'one', remove });
          expect(stored(tools, path, 'one')).not.toHaveProperty(remove);
        }
        const shown = await tools.call('list_settings', { kind, name: 'one' });
        expect(shown).toMatchObject({ kind, total: 1, rows: [{ name: 'one' }] });
        const deleted = await tools.call('delete_setting', { kind, name: 'one' });
        expect(deleted).toMatchObject({ kind, was: { name: 'one' } });
        expect(stored(tools, path, 'one')).toBeUndefined();
        expect(JSON.stringify([made, changed, shown, deleted])).not.toContain('c4n4ry');
        expect((await tools.refused('delete_setting', { kind, name: 'one' })).code).toBe('NOT_FOUND');
      }
    },
  );

  it('write what may be given as objects the way Proxmox keeps it', async () => {
    const tools = await client();
    const hook = {
      url: 'https://hook.example.com',
      method: 'post',
      secret: [{ name: 'key', value: 'c4n4ry' }],
    };
    await tools.call('save_setting', { kind: 'webhook', name: 'chat', options: hook });
    expect(stored(tools, '/cluster/notifications/endpoints/webhook', 'chat')).toMatchObject({
      secret: ['name=key,value=YzRuNHJ5'],
    });
    const dns = { type: 'dns', api: 'cf', data: { CF_Token: 'c4n4ry', CF_Zone: 'z' } };
    await tools.call('save_setting', { kind: 'acme_plugin', name: 'cf', options: dns });
    expect(stored(tools, '/cluster/acme/plugins', 'cf')).toMatchObject({
      data: Buffer.from('CF_Token=c4n4ry\nCF_Zone=z\n').toString('base64'),
    });
    const map = [{ node: 'a1', path: '0000:01:00.0', id: '10de:2204', 'iommu-group': 4 }];
    await tools.call('save_setting', { kind: 'pci_mapping', name: 'gpu', options: { map } });
    expect(stored(tools, '/cluster/mapping/pci', 'gpu')).toMatchObject({
      map: ['node=a1,path=0000:01:00.0,id=10de:2204,iommu-group=4'],
    });
    const sly = [{ node: 'a1', path: '/srv,node=a2' }];
    const writes = tools.writes().length;
    const error = await tools.refused('save_setting', {
      kind: 'dir_mapping',
      name: 'sly',
      options: { map: sly },
    });
    expect(error.code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toHaveLength(writes);
  });

  it('make and change an ACME account as root@pam alone', async () => {
    const account = { kind: 'acme_account', name: 'le', options: { contact: 'ops@example.com' } };
    const other = await client();
    expect(await other.refused('save_setting', account)).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('root@pam alone'),
      hint: expect.stringContaining('password of root@pam'),
    });
    const tools = await client({ config: asRoot });
    expect(await tools.call('save_setting', account)).toMatchObject({
      created: true,
      task: { status: 'ok' },
    });
    const changed = { ...account, options: { contact: 'all@example.com' } };
    expect(await tools.call('save_setting', changed)).toMatchObject({
      created: false,
      task: { status: 'ok' },
    });
    expect(stored(tools, '/cluster/acme/account', 'le')).toMatchObject({ contact: 'all@example.com' });
    expect(await tools.call('list_settings', { kind: 'acme_account', name: 'le' })).toMatchObject({
      total: 1,
    });
    const remove = { ...account, options: {}, remove: ['contact'] };
    expect((await tools.refused('save_setting', remove)).message).toContain('no options to reset');
    await tools.call('delete_setting', { kind: 'acme_account', name: 'le' });
    expect(stored(tools, '/cluster/acme/account', 'le')).toBeUndefined();
  });

  it('repeat what a change of Proxmox can’t leave out', async () => {
    const tools = await client();
    const options = { type: 'graphite', server: 'graphite.example.com', port: 2003 };
    await tools.call('save_setting', { kind: 'metric_server', name: 'graph', options });
    await tools.call('save_setting', { kind: 'metric_server', name: 'graph', options: { port: 2004 } });
    expect(stored(tools, '/cluster/metrics/server', 'graph')).toMatchObject({ ...options, port: 2004 });
    expect(tools.writes().at(-1)?.params).toMatchObject({ server: 'graphite.example.com', port: '2004' });
  });

  it('verify every option before anything leaves, and say what is meant', async () => {
    const tools = await client();
    const refusal = (args: Record<string, unknown>) => tools.refused('save_setting', args);
    const misspelt = await refusal({
      kind: 'gotify',
      name: 'g',
      options: { servr: 'https://x', token: 't' },
    });
    expect(misspelt.code).toBe('INVALID_ARGUMENTS');
    expect(misspelt.message).toContain('did you mean server?');
    expect(misspelt.message).toContain('server is missing');
    const port = { type: 'graphite', server: 'g', port: 'many' };
    expect((await refusal({ kind: 'metric_server', name: 'graph', options: port })).message).toContain(
      'port',
    );
    expect((await refusal({ kind: 'gotify', name: 'phone', remove: ['comment'] })).message).toContain(
      'no options to reset',
    );
    expect((await refusal({ kind: 'nonsense', name: 'g' })).code).toBe('INVALID_ARGUMENTS');
    expect(tools.writes()).toEqual([]);
  });

  it('list targets and directories, too', async () => {
    const tools = await client();
    const targets = await tools.call('list_settings', { kind: 'notification_target' });
    expect(targets.rows).toMatchObject([{ name: 'mail-to-root', type: 'sendmail', origin: 'builtin' }]);
    const directories = await tools.call('list_settings', { kind: 'acme_directory', limit: 1 });
    expect(directories).toMatchObject({ total: 2, rows: [{ url: expect.stringContaining('https://') }] });
    expect(directories.next_cursor).toBeDefined();
  });

  it('leave an endpoint that a matcher needs', async () => {
    const tools = await client();
    const error = await tools.refused('delete_setting', { kind: 'sendmail', name: 'mail-to-root' });
    expect(error.message).toContain('referenced by: default-matcher');
  });
});

describe('test_notification', () => {
  it('sends to a target that there is', async () => {
    const tools = await client();
    expect(await tools.call('test_notification', { target: 'mail-to-root' })).toMatchObject({
      type: 'sendmail',
    });
    expect(tools.production.state.datacenter.notified).toEqual(['mail-to-root']);
    const writes = tools.writes().length;
    expect((await tools.refused('test_notification', { target: 'pager' })).hint).toContain('mail-to-root');
    expect(tools.writes()).toHaveLength(writes);
  });
});
