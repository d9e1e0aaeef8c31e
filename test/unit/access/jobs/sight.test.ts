import { describe, expect, it } from 'vitest';
import { Jobs } from '../../../../src/access/jobs/jobs.ts';
import { type JobFilter, visibleJobs } from '../../../../src/access/jobs/sight.ts';
import { defaultPolicy, type Policy } from '../../../../src/access/policy/policy.ts';
import type { Principal } from '../../../../src/access/principal.ts';
import { openState } from '../../../../src/access/state.ts';
import { Redaction } from '../../../../src/observability/redaction.ts';
import { SILENT } from '../../../support/engine-fixtures.ts';
import { policyOf, somebody } from '../../../support/policy.ts';
import { RecordingCluster } from '../../../support/recording-cluster.ts';

const [A, B] = [new RecordingCluster('a'), new RecordingCluster('b')];
const STARTED = [
  ['alice', 'a', 100],
  ['alice', 'b', 100],
  ['alice', 'gone', 100],
  ['bob', 'a', 100],
  ['bob', 'a', 200],
  ['bob', 'b', 300],
  ['bob', 'gone', 300],
] as const;

async function jobs(): Promise<Jobs> {
  const state = openState(undefined);
  const made = new Jobs({ state, clusters: () => [A, B], redaction: new Redaction(), logger: SILENT });
  for (const [index, [subject, cluster, guest]] of STARTED.entries()) {
    await made.started({
      cluster,
      upid: `UPID:n1:0000000${index}:00112233:66112233:qmstart:${guest}:root@pam:`,
      principalId: subject,
      subject,
      tool: 'start_guest',
      requestId: 'r',
      auditId: 'a',
      method: 'POST',
      path: '/nodes/n1/qemu/100/status/start',
      guest,
      startedAt: index,
    });
  }
  return made;
}

async function seen(
  principal: Principal,
  { policy = defaultPolicy(), clusters = [A, B], ...filter }: JobFilter & Partial<Sight> = {},
): Promise<string[]> {
  const rules = { policy, readOnly: false, jobs: await jobs() };
  const visible = visibleJobs(rules, { principal, tool: 'list_jobs' }, clusters);
  return visible.list(filter).map(({ subject, cluster, guest }) => `${subject} ${cluster} ${guest}`);
}

interface Sight {
  policy: Policy;
  clusters: RecordingCluster[];
}

const OF_ALICE = ['alice gone 100', 'alice b 100', 'alice a 100'];
const OF_BOB = ['bob gone 300', 'bob b 300', 'bob a 200', 'bob a 100'];
const OTHERS_OF_BOB = OF_BOB.slice(1);

describe('the jobs of a caller', () => {
  it('are its own and those of others on clusters that are configured, newest first', async () => {
    expect(await seen(somebody('alice'))).toEqual([...OTHERS_OF_BOB, ...OF_ALICE]);
    expect(await seen(somebody('bob', { scope: 'proxmox:read' }))).toEqual([...OF_BOB, ...OF_ALICE.slice(1)]);
    expect(await seen(somebody('carol'))).toEqual([...OTHERS_OF_BOB, ...OF_ALICE.slice(1)]);
  });

  it('are its own alone where it asks for these', async () => {
    expect(await seen(somebody('alice'), { mine: true })).toEqual(OF_ALICE);
    expect(await seen(somebody('carol'), { mine: true })).toEqual([]);
  });

  it('belong to the principal, not to the name that a token shows', async () => {
    expect(await seen({ ...somebody('alice'), id: 'other-issuer alice' }, { mine: true })).toEqual([]);
  });

  it('are none for who may read nothing', async () => {
    expect(await seen(somebody('alice', { scope: 'proxmox:change' }))).toEqual(['alice gone 100']);
    expect(await seen(somebody('carol', { scope: '' }))).toEqual([]);
  });

  it('are those of the cluster at a door to one', async () => {
    expect(await seen(somebody('alice'), { clusters: [B] })).toEqual(['bob b 300', 'alice b 100']);
  });

  it('are filtered by cluster, guest and state', async () => {
    expect(await seen(somebody('alice'), { cluster: 'a' })).toEqual([
      'bob a 200',
      'bob a 100',
      'alice a 100',
    ]);
    expect(await seen(somebody('alice'), { guest: 200 })).toEqual(['bob a 200']);
    expect(await seen(somebody('alice'), { state: 'ok' })).toEqual([]);
    expect(await seen(somebody('carol'), { cluster: 'gone' })).toEqual([]);
  });

  it.each<[string, object, string[]]>([
    ['a tenant', { roles: 'all', tenant: { pools: 'p' } }, OF_ALICE],
    ['a tenant with infrastructure', { roles: 'all', tenant: { tags: 't', infrastructure: true } }, OF_ALICE],
    [
      'who sees one cluster alone',
      { roles: 'only-a' },
      ['bob a 200', 'bob a 100', 'alice gone 100', 'alice a 100'],
    ],
    ['who may not read lists of tasks', { roles: 'no-tasks' }, OF_ALICE],
    ['who may not use list_tasks', { roles: 'no-list' }, OF_ALICE],
    ['who may read of some guests alone', { roles: 'some-guests' }, ['alice gone 100']],
    ['nobody', { roles: 'nothing' }, ['alice gone 100']],
  ])('of %s', async (_who, entry, expected) => {
    const policy = policyOf({
      roles: {
        all: { grants: [{ allow: '*' }] },
        'only-a': { grants: [{ allow: '*', clusters: 'a' }] },
        'no-tasks': { grants: [{ allow: '*' }, { deny: '*', paths: '/cluster/tasks' }] },
        'no-list': { grants: [{ allow: '*' }, { deny: '*', tools: 'list_tasks' }] },
        'some-guests': { grants: [{ allow: '*', guests: { vmids: '100-199' } }] },
        nothing: { grants: [{ allow: 'read', clusters: 'c' }] },
      },
      principals: [{ match: { subject: 'alice' }, ...entry }],
    });
    expect(await seen(somebody('alice'), { policy })).toEqual(expected);
  });
});
