import { describe, expect, it } from 'vitest';
import { openCredentials } from '../../../src/access/credentials.ts';
import type { GatedCluster } from '../../../src/access/gate.ts';
import { openState } from '../../../src/access/state.ts';
import { createTokenVerifier, issueToken } from '../../../src/access/tokens.ts';
import { parseApiPath } from '../../../src/proxmox/api-path.ts';
import { CallError } from '../../../src/proxmox/errors.ts';
import { principal } from '../../support/approvals.ts';
import { gateFor } from '../../support/gate.ts';
import { policyOf } from '../../support/policy.ts';
import { RecordingCluster } from '../../support/recording-cluster.ts';

const NOBODY = policyOf({ principals: [] });
/** Reads everything of `a`, and nothing of its fallback `b`. */
const A_ALONE = policyOf({
  roles: { own: { grants: [{ allow: 'read', clusters: 'a' }] } },
  principals: [{ match: { subject: '*' }, roles: 'own' }],
});

function opened(policy = A_ALONE) {
  const cluster = new RecordingCluster('a');
  const fallback = new RecordingCluster('b');
  const { signal } = new AbortController();
  const origin = { principal: principal('alice'), requestId: 'r', tool: 't', door: 'http', signal };
  const gated = gateFor(undefined, { policy }).open({ cluster, fallback, selectedBy: 'explicit' }, origin);
  return { gated, cluster, fallback };
}

const unreachable = () => {
  throw new CallError('CLUSTER_UNREACHABLE', 'a is unreachable.', { hint: 'Look.', cluster: 'a' });
};

describe('what the service reads itself', () => {
  it.each<[string, (gated: GatedCluster) => unknown]>([
    ['health', (gated) => gated.health()],
    ['endpoints', async (gated) => gated.endpoints()],
    ['permissions', (gated) => gated.permissions()],
    ['rights', (gated) => gated.rights()],
    ['inventory', (gated) => gated.inventory()],
    ['backups', (gated) => gated.backups()],
  ])('%s is not for who may not read it', async (_what, ask) => {
    const { gated, cluster } = opened(NOBODY);
    await expect(ask(gated)).rejects.toMatchObject({ code: 'POLICY_DENIED', cluster: 'a' });
    expect(cluster.calls).toEqual([]);
  });

  it('is for who may', async () => {
    const { gated, cluster } = opened();
    expect(await gated.health()).toBe(cluster.state);
    expect(gated.endpoints()).toEqual([]);
    expect(await gated.permissions()).toEqual({ '/': { 'Sys.Audit': 1 } });
    expect(await gated.rights()).toBeDefined();
    expect(gated.servedBy).toBeUndefined();
  });
});

describe('a fallback', () => {
  it('is asked nothing that the caller may not read of it', async () => {
    const { gated, cluster, fallback } = opened();
    cluster.reply = unreachable;
    await expect(gated.inventory()).rejects.toMatchObject({ code: 'POLICY_DENIED', cluster: 'b' });
    const refused = await gated
      .request({ method: 'GET', path: parseApiPath('/nodes') })
      .catch((error) => error);
    expect(refused).toMatchObject({ code: 'CLUSTER_UNREACHABLE', hint: 'Look.', cluster: 'a' });
    expect(refused.message).toMatch(/^a is unreachable\. Its fallback b answered POLICY_DENIED: /);
    expect(refused.cause).toMatchObject({ code: 'POLICY_DENIED' });
    expect(fallback.calls).toEqual([]);
  });

  it.each([
    ['GET', '/cluster/tasks', {}],
    ['GET', '/nodes/n/tasks/UPID:x/status', {}],
    ['GET', '/nodes/n/qemu/100/agent/file-read', { file: '/etc/shadow' }],
    ['POST', '/nodes/n/qemu/100/status/start', {}],
  ] as const)('is not asked: %s %s', async (method, path, data) => {
    const { gated, cluster, fallback } = opened(
      policyOf({
        roles: { all: { grants: [{ allow: '*', approval: 'none' }] } },
        principals: [{ match: { subject: '*' }, roles: 'all' }],
      }),
    );
    cluster.reply = unreachable;
    await expect(gated.request({ method, path: parseApiPath(path), data })).rejects.toThrow(
      'a is unreachable.',
    );
    expect(fallback.calls).toEqual([]);
  });

  it('answers a read of it, and is named then', async () => {
    const { gated, cluster, fallback } = opened(
      policyOf({ principals: [{ match: { subject: '*' }, roles: 'viewer' }] }),
    );
    cluster.reply = unreachable;
    fallback.reply = () => 'of b';
    expect(await gated.request({ method: 'GET', path: parseApiPath('/version') })).toMatchObject({
      data: 'of b',
    });
    expect(gated.servedBy).toBe('b');
    await expect(gated.alone().inventory()).rejects.toThrow('a is unreachable.');
  });
});

describe('a token of our own key', () => {
  it('is for this audience and of this issuer, and not from the future', async () => {
    const now = Date.parse('2026-11-21T12:00:00Z');
    const clock = () => now;
    const credentials = openCredentials(openState(undefined), clock);
    const auth = { mode: 'own-keys', audience: 'us', issuer: 'https://id' } as const;
    const verify = createTokenVerifier(auth, { credentials, clock });
    const issue = async (changes: object) =>
      issueToken(await credentials.keys.ensure(), {
        subject: 'alice',
        scope: 'proxmox:read',
        lifetimeSeconds: 60,
        audience: 'us',
        issuer: 'https://id',
        issuedAt: now / 1000,
        ...changes,
      });
    await expect(verify(await issue({}))).resolves.toMatchObject({ id: '["https://id","alice"]' });
    await expect(verify(await issue({ audience: 'them' }))).rejects.toThrow(
      'the claim "aud" is missing or wrong',
    );
    await expect(verify(await issue({ issuer: 'https://evil' }))).rejects.toThrow(
      'the claim "iss" is missing or wrong',
    );
    await expect(verify(await issue({ issuer: undefined }))).rejects.toThrow(
      'the claim "iss" is missing or wrong',
    );
    await expect(verify(await issue({ issuedAt: now / 1000 + 6 }))).rejects.toThrow('issued in the future');
    await expect(verify('pmk_x')).rejects.toThrow('the API key is not valid');
    const without = createTokenVerifier(auth, { clock });
    await expect(without('pmk_x')).rejects.toThrow('the API key is not valid');
  });
});
