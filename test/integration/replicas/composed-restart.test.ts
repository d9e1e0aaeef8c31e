import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Revocations } from '../../../src/access/revocations.ts';
import { folderWith } from '../../support/config-folder.ts';
import { NO_REDIS } from '../../support/redis.ts';
import {
  headersOf,
  openSession,
  type Replica,
  replicaSite,
  send,
  tokenOf,
} from '../../support/replica-site.ts';

/** Of processes that share few cores with others. */
vi.setConfig({ testTimeout: 60_000 });

const POLICY = {
  roles: {
    all: { grants: [{ allow: '*' }, { allow: '*', guests: { vmids: ['101'] }, approval: 'second' }] },
  },
  principals: [{ match: { subject: '*' }, roles: 'all' }],
  approval: { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' },
};
const START = { method: 'POST', path: '/nodes/n1/qemu/101/status/start' };

async function twoReplicas() {
  const policy = join(folderWith({ 'policy.json': POLICY }), 'policy.json');
  const site = await replicaSite({ POLICY_FILE: policy });
  const [a, b] = [await site.start(), await site.start()];
  return { ...site, a, b };
}

/** What a caller gets for the start of the guest that needs an approval. */
async function started({ url }: Replica, token: string): Promise<string> {
  const session = await openSession(url, token);
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call' };
  const params = { name: 'proxmox_api_call', arguments: START };
  return (await send(`${url}/mcp`, 'POST', headersOf(token, session), { ...call, params })).text;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function readiness({ url }: Replica) {
  const { status, text } = await send(`${url}/readyz`, 'GET', {});
  return { code: status, ...(JSON.parse(text) as Record<string, unknown>) };
}

describe.skipIf(NO_REDIS)(`two services with one Redis${NO_REDIS ? `: ${NO_REDIS}` : ''}`, () => {
  it('let a call through once at one that was approved at the other, and end what is revoked there', async () => {
    const { a, b, arrived } = await twoReplicas();
    const [alice, bob] = [await tokenOf('alice'), await tokenOf('bob', 'proxmox:approve')];
    expect(await started(a, alice)).toContain('APPROVAL_REQUIRED');
    // The one who asked may not approve it at the other one either.
    const own = await send(
      `${b.url}/approvals/1/approve`,
      'POST',
      bearer(await tokenOf('alice', 'proxmox:approve')),
    );
    expect(own.status).toBe(403);
    expect((await send(`${b.url}/approvals/1/approve`, 'POST', bearer(bob))).status).toBe(200);
    expect((await send(`${a.url}/approvals/1/approve`, 'POST', bearer(bob))).status).toBe(409);
    const answers = await Promise.all([a, b, a, b].map((one) => started(one, alice)));
    expect(answers.filter((text) => text.includes('APPROVAL_REQUIRED'))).toHaveLength(3);
    expect(arrived('POST', '/qemu/101/status/start')).toHaveLength(1);

    const session = await openSession(b.url, alice);
    const stream = await fetch(`${b.url}/mcp`, { headers: headersOf(alice, session) });
    expect(stream.status).toBe(200);
    const ended = stream.text().catch(() => 'broken off');
    await new Revocations(a.service.core.state).revoke({ subject: 'alice' });
    await ended;
    await vi.waitFor(async () => {
      const refused = await send(`${b.url}/mcp`, 'POST', headersOf(alice, session), {});
      expect(refused.status).toBe(401);
    });
  });

  it('say what fails while Redis is away, send nothing that needs it, and go on by themselves', async () => {
    const { a, b, redis, arrived } = await twoReplicas();
    const [alice, bob] = [await tokenOf('alice'), await tokenOf('bob', 'proxmox:approve')];
    expect(await started(a, alice)).toContain('APPROVAL_REQUIRED');
    expect(await readiness(a)).toMatchObject({ code: 200, status: 'ready', redis: 'ok' });
    await redis.kill();
    await vi.waitFor(async () => {
      for (const one of [a, b])
        expect(await readiness(one)).toMatchObject({ code: 200, status: 'degraded', redis: 'failing' });
    });
    const decided = await send(`${b.url}/approvals/1/approve`, 'POST', bearer(bob));
    expect(decided.status).toBe(503);
    expect(JSON.parse(decided.text)).toMatchObject({
      error: 'internal',
      message: expect.stringContaining('Redis'),
      hint: expect.stringContaining('Repeat'),
    });
    const refused = await started(a, alice);
    expect(refused).toContain('INTERNAL');
    expect(refused).toContain('Redis does not answer');
    expect(refused).not.toContain('APPROVAL_REQUIRED');
    expect((await send(`${a.url}/approvals`, 'GET', bearer(bob))).status).toBe(200);
    await redis.restart();
    await vi.waitFor(
      async () => {
        for (const one of [a, b])
          expect(await readiness(one)).toMatchObject({ status: 'ready', redis: 'ok' });
      },
      { timeout: 15_000 },
    );
    // What was asked for before is void.
    expect((await send(`${b.url}/approvals/1/approve`, 'POST', bearer(bob))).status).toBe(404);
    expect(await started(b, alice)).toContain('APPROVAL_REQUIRED');
    expect((await send(`${a.url}/approvals/2/approve`, 'POST', bearer(bob))).status).toBe(200);
    expect(await started(b, alice)).not.toContain('APPROVAL_REQUIRED');
    expect(arrived('POST', '/qemu/101/status/start')).toHaveLength(1);
  });
});
