import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../../src/access/policy/policy.ts';
import {
  alikeClient,
  applied,
  FROM,
  JOB_OF_VMIDS,
  PAIR,
  prepare,
  rowsOf,
  TO,
} from '../../../support/alike-client.ts';
import type { Answer } from '../../../support/tool-client.ts';

describe('sync_definitions', () => {
  it('shows field by field what differs, and sends nothing', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const answer = await tools.call('sync_definitions', { ...PAIR, storage_map: { 'backup-nfs': 'dr-nfs' } });
    expect(answer).toMatchObject({ from: FROM, targets: [{ cluster: TO, different: 3, blocked: 1 }] });
    expect(rowsOf(answer, 'pools')).toEqual([
      {
        cluster: TO,
        kind: 'pools',
        name: 'data',
        status: 'missing',
        details: ['comment "Databases and caches"'],
      },
      {
        cluster: TO,
        kind: 'pools',
        name: 'web',
        status: 'missing',
        details: ['comment "Everything customers see"'],
      },
      { cluster: TO, kind: 'pools', name: 'standby', status: 'only_there' },
    ]);
    expect(rowsOf(answer, 'roles')).toEqual([
      {
        cluster: TO,
        kind: 'roles',
        name: 'Operator',
        status: 'different',
        details: ['privileges + VM.PowerMgmt; − VM.Backup'],
      },
      { cluster: TO, kind: 'roles', name: 'Reader', status: 'missing', details: ['privileges VM.Audit'] },
      {
        cluster: TO,
        kind: 'roles',
        name: 'Leftover',
        status: 'only_there',
        details: ['privileges VM.Audit'],
      },
    ]);
    expect(rowsOf(answer, 'aliases')[0]).toMatchObject({
      name: 'office',
      status: 'different',
      details: ['cidr 198.51.100.0/25 → 198.51.100.0/24', 'comment "old" → "HQ"'],
    });
    expect(rowsOf(answer, 'ipsets')[0].details).toEqual([
      'comment (none) → "who may"',
      'entries + 10.0.0.0/8 ("inside"), !10.1.0.0/16, dc/office; − 10.0.0.0/8, 192.0.2.7',
    ]);
    expect(rowsOf(answer, 'groups')[0].details[1]).toBe(
      'rules in ACCEPT tcp port 443, in ACCEPT tcp port 22 from +admins, in DROP ("all else")',
    );
    const [nightly, weekly] = rowsOf(answer, 'backup_jobs');
    expect(nightly).toMatchObject({ name: JOB_OF_VMIDS, status: 'missing' });
    expect(nightly.blocked).toEqual(['It names guests by VMIDs (100,101,102,110), which mean others there.']);
    expect(weekly.details).toContain('storage dr-nfs');
    expect(weekly.details).toContain('enabled yes');
    expect([...tools.target.writes(), ...tools.source.writes()]).toEqual([]);
    const text = await tools.text('sync_definitions', PAIR);
    expect(text).toContain('nothing was changed');
  });

  it('makes all alike in the order that it needs, and a second call does nothing', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const { target, refused, call } = tools;
    const args = { ...PAIR, apply: true, storage_map: { 'backup-nfs': 'dr-nfs' } };
    const { plan } = await refused('sync_definitions', args);
    expect(target.writes()).toEqual([]);
    expect(plan.warnings).toEqual(
      expect.arrayContaining([
        'Makes disaster-recovery as production is, in this order:',
        '1. Makes the pool data: comment "Databases and caches".',
        expect.stringContaining('Changes the role Operator: privileges + VM.PowerMgmt; − VM.Backup.'),
        expect.stringMatching(/Makes the backup job weekly:.*enabled yes/),
      ]),
    );
    const answer = await call('sync_definitions', { ...args, handle: plan.handle });
    expect(answer.targets[0]).toMatchObject({ cluster: TO, applied: 9, blocked: 1 });
    expect(answer.targets[0]).not.toHaveProperty('not_applied');
    const { access, backupJobs, pools } = target.state;
    expect(access.roles.get('Operator')).toEqual(['VM.Audit', 'VM.PowerMgmt']);
    expect(access.roles.get('Leftover')).toEqual(['VM.Audit']);
    expect(pools.map(({ poolid }) => poolid).sort()).toEqual(['data', 'standby', 'web']);
    expect(target.datacenter.aliases).toEqual(tools.source.datacenter.aliases);
    const sorted = (entries: readonly object[] = []) => entries.map((entry) => JSON.stringify(entry)).sort();
    expect(sorted(target.datacenter.ipsets.admins?.entries.map(({ cidr }) => ({ cidr })))).toEqual(
      sorted(tools.source.datacenter.ipsets.admins?.entries.map(({ cidr }) => ({ cidr }))),
    );
    expect(target.groups.web).toEqual(tools.source.groups.web);
    expect(backupJobs?.find(({ id }) => id === 'weekly')).toMatchObject({
      enabled: true,
      options: { pool: 'web', storage: 'dr-nfs', 'prune-backups': 'keep-last=3' },
    });
    expect(backupJobs?.some(({ id }) => id === JOB_OF_VMIDS)).toBe(false);

    target.forget();
    const again = await call('sync_definitions', args);
    expect(target.writes()).toEqual([]);
    expect(again.targets[0]).toMatchObject({ missing: 1, different: 0, blocked: 1 });
    expect(again.targets[0]).not.toHaveProperty('applied');
  });

  it('asks for what it sends, pools and aliases before what names them', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const { plan } = await tools.refused('sync_definitions', {
      ...PAIR,
      apply: true,
      storage_map: { 'backup-nfs': 'dr-nfs' },
    });
    const lines: string[] = plan.calls.map(({ method, path }: Answer) => `${method} ${path}`);
    const at = (line: string) => lines.indexOf(line);
    expect(at('POST /pools')).toBeLessThan(at('POST /cluster/backup'));
    expect(at('POST /cluster/firewall/aliases')).toBeLessThan(at('POST /cluster/firewall/ipset/admins'));
    expect(at('POST /cluster/firewall/ipset/admins')).toBeLessThan(at('POST /cluster/firewall/groups'));
    await tools.call('sync_definitions', {
      ...PAIR,
      apply: true,
      storage_map: { 'backup-nfs': 'dr-nfs' },
      handle: plan.handle,
    });
    expect(tools.target.writes()).toEqual(lines);
  });

  it('a role that loses privileges is a person’s to approve', async () => {
    const tools = await alikeClient({ gateOptions: { policy: defaultPolicy() } });
    prepare(tools);
    const { plan } = await tools.refused('sync_definitions', { ...PAIR, apply: true, kinds: ['roles'] });
    expect(plan.approval).toBe('person');
    expect(tools.target.writes()).toEqual([]);
  });

  it('a backup job keeps its id there, is known by its comment, and gets what differs alone', async () => {
    const tools = await alikeClient();
    const job = (id: string, options: Record<string, string | number>, enabled = true) => ({
      id,
      enabled,
      options: { all: 1, mode: 'snapshot', comment: 'all, each night', ...options },
    });
    tools.source.state.backupJobs = [
      job(
        'backup-11112222-3333',
        { schedule: '01:00', storage: 'backup-nfs', 'prune-backups': 'keep-last=3' },
        false,
      ),
    ];
    tools.target.state.backupJobs = [
      job('backup-aaaabbbb-cccc', {
        schedule: '02:00',
        storage: 'dr-nfs',
        bwlimit: 1000,
        'prune-backups': 'keep-last=3',
      }),
    ];
    const args = { kinds: ['backup_jobs'], storage_map: { 'backup-nfs': 'dr-nfs' } };
    const answer = await applied(tools, { ...args, delete_extra: true });
    expect(answer.rows).toEqual([
      {
        ...{
          cluster: TO,
          kind: 'backup_jobs',
          name: 'backup-aaaabbbb-cccc',
          status: 'different',
          result: 'applied',
        },
        details: ['bwlimit 1000 → (none)', 'schedule 02:00 → 01:00', 'enabled yes → no'],
      },
    ]);
    const sent = tools.target.cluster.requests.filter(({ method }) => method !== 'GET');
    expect(sent.map(({ params }) => params)).toEqual([
      { schedule: '01:00', enabled: '0', delete: 'bwlimit' },
    ]);
    expect(tools.target.state.backupJobs).toEqual([
      job(
        'backup-aaaabbbb-cccc',
        { schedule: '01:00', storage: 'dr-nfs', 'prune-backups': 'keep-last=3' },
        false,
      ),
    ]);
    const again = await tools.call('sync_definitions', { ...PAIR, apply: true, ...args });
    expect(again).toMatchObject({ targets: [{ alike: 1 }], total: 0 });
  });

  it('keeps to kinds and names', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const answer = await tools.call('sync_definitions', {
      ...PAIR,
      kinds: ['roles', 'pools'],
      names: ['Op*', 'WEB'],
    });
    expect(answer.rows.map(({ name }: Answer) => name)).toEqual(['web', 'Operator']);
    const done = await applied(tools, { kinds: ['pools'], names: ['web'] });
    expect(done.targets[0]).toMatchObject({ applied: 1 });
    expect(tools.target.writes()).toEqual(['POST /pools']);
  });

  it('a failure costs itself and what rests on it, and the same call does the rest', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const { target } = tools;
    const match = /^POST \/cluster\/firewall\/aliases$/;
    const fault = target.cluster.faults.add({ kind: 'status', code: 500, message: 'got no lock', match });
    const kinds = { kinds: ['aliases', 'ipsets', 'groups', 'pools'] };
    const answer = await applied(tools, kinds);
    const results = Object.fromEntries(
      answer.rows.map((row: Answer) => [`${row.kind} ${row.name}`, row.result]),
    );
    expect(results).toMatchObject({
      'pools data': 'applied',
      'pools web': 'applied',
      'aliases office': 'applied',
      'aliases vpn': 'failed',
      'ipsets admins': 'not_started',
      'groups web': 'not_started',
    });
    expect(answer.targets[0]).toMatchObject({ applied: 3, not_applied: 3 });
    expect(target.groups.web).toBeUndefined();
    await fault.remove();
    await applied(tools, kinds);
    expect(target.groups.web).toEqual(tools.source.groups.web);
    expect(target.datacenter.aliases).toEqual(tools.source.datacenter.aliases);
  });

  it('asks for each cluster by itself, and one that is away costs its own part', async () => {
    const tools = await alikeClient();
    prepare(tools);
    const staging = tools.site('staging');
    const args = { from: FROM, to: ['staging', TO], apply: true, kinds: ['pools'] };
    const first = await tools.refused('sync_definitions', args);
    expect(first.cluster).toBe('staging');
    const second = await tools.call('sync_definitions', { ...args, handle: first.plan.handle });
    expect(staging.writes()).toEqual(['POST /pools', 'POST /pools']);
    expect(tools.target.writes()).toEqual([]);
    expect(second.targets).toEqual([
      expect.objectContaining({ cluster: 'staging', applied: 2 }),
      expect.objectContaining({
        cluster: TO,
        code: 'APPROVAL_REQUIRED',
        hint: expect.stringContaining('handle'),
      }),
    ]);
    const [, handle] = /handle (\S+)/.exec(second.targets[1].hint) ?? [];
    await staging.cluster.faults.add({ kind: 'node-down' }).ready;
    const third = await tools.call('sync_definitions', { ...args, handle });
    expect(third.targets).toEqual([
      expect.objectContaining({ cluster: TO, applied: 2 }),
      expect.objectContaining({ cluster: 'staging', code: 'CLUSTER_UNREACHABLE' }),
    ]);
    expect(tools.target.state.pools.map(({ poolid }) => poolid).sort()).toEqual(['data', 'standby', 'web']);
  });

  it('refuses what does not fit before anything is asked', async () => {
    const { refused, source, target } = await alikeClient();
    const cases: [object, string, string][] = [
      [{ from: FROM, to: [FROM] }, 'INVALID_ARGUMENTS', 'in `from` and in `to`'],
      [{ from: FROM, to: [TO, TO] }, 'INVALID_ARGUMENTS', 'named twice'],
      [{ from: FROM, to: ['nowhere'] }, 'CLUSTER_NOT_FOUND', 'nowhere'],
      [{ from: 'nowhere', to: [TO] }, 'CLUSTER_NOT_FOUND', 'nowhere'],
      [{ from: FROM, to: [] }, 'INVALID_ARGUMENTS', ''],
      [{ from: FROM, to: [TO], kinds: ['users'] }, 'INVALID_ARGUMENTS', 'kinds'],
    ];
    for (const [args, code, message] of cases) {
      const error = await refused('sync_definitions', { ...args, apply: true });
      expect(error, JSON.stringify(args)).toMatchObject({ code, message: expect.stringContaining(message) });
    }
    expect([...source.cluster.requests, ...target.cluster.requests]).toEqual([]);
  });
});
