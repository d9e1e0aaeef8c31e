import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { asking, planOf, type TestApprovals, testApprovals } from '../../support/approvals.ts';
import { directoryOf, RecordingCluster } from '../../support/recording-cluster.ts';
import { buildService, type TestService, tokenFor } from '../../support/service.ts';

let service: TestService;
let tested: TestApprovals;

beforeEach(async () => {
  tested = testApprovals();
  service = await buildService({
    estate: directoryOf(new RecordingCluster('production')),
    approvals: tested.approvals,
  });
});

afterEach(() => service.close());

type Method = 'GET' | 'POST';

async function ask(method: Method, url: string, scope: string | undefined, body?: object, headers = {}) {
  const token = scope === undefined ? undefined : await tokenFor('bob', scope);
  return service.app.inject({
    method,
    url,
    headers: {
      host: '127.0.0.1:8000',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: body }),
  });
}

async function waiting(kind: 'person' | 'second' = 'person') {
  return (await planOf(tested.approvals.require(asking({ kind }), undefined))).plan.number;
}

const ROUTES: [Method, string][] = [
  ['GET', '/approvals'],
  ['GET', '/approvals/1'],
  ['POST', '/approvals/1/approve'],
  ['POST', '/approvals/1/deny'],
];

describe.each(ROUTES)('%s %s', (method, url) => {
  it('is closed without a token', async () => {
    await waiting();
    expect((await ask(method, url, undefined)).statusCode).toBe(401);
  });

  it.each(['proxmox:admin', 'proxmox:read proxmox:change proxmox:destroy proxmox:execute proxmox:secret'])(
    'is closed to %s, with the scope that is missing',
    async (scope) => {
      await waiting();
      const reply = await ask(method, url, scope);
      expect(reply.statusCode).toBe(403);
      expect(reply.json()).toMatchObject({ error: 'insufficient_scope' });
      expect(reply.headers['www-authenticate']).toContain('error="insufficient_scope"');
      expect(reply.headers['www-authenticate']).toContain('scope="proxmox:approve"');
      expect(reply.body).not.toContain('web-1');
      await planOf(tested.approvals.require(asking({ kind: 'person' }), undefined));
    },
  );

  it('is closed to other hosts and origins', async () => {
    await waiting();
    const host = await ask(method, url, 'proxmox:approve', undefined, { host: 'evil.example' });
    expect(host.statusCode).toBe(421);
    const origin = await ask(method, url, 'proxmox:approve', undefined, { origin: 'https://evil.example' });
    expect(origin.statusCode).toBe(403);
    await planOf(tested.approvals.require(asking({ kind: 'person' }), undefined));
  });
});

it('lists, shows and approves', async () => {
  await waiting();
  const list = await ask('GET', '/approvals', 'proxmox:approve');
  expect(list.json()).toMatchObject({
    total: 1,
    plans: [{ number: 1, state: 'pending', asked_by: 'alice', cluster: 'production', approval: 'person' }],
  });
  expect(list.headers['cache-control']).toBe('no-store');
  for (const inner of ['credential', 'binding', 'handle', 'digest-1', 'jwt:'])
    expect(list.body).not.toContain(inner);
  const one = await ask('GET', '/approvals/1', 'proxmox:approve');
  expect(one.json().plan.text).toContain('"web-1" (VM 100)');
  const approved = await ask('POST', '/approvals/1/approve', 'proxmox:approve', { reason: 'fine' });
  expect(approved.json()).toMatchObject({ plan: { state: 'approved', approver: 'bob', reason: 'fine' } });
  expect(await tested.approvals.require(asking({ kind: 'person' }), undefined)).toEqual({
    by: 'bob',
    number: 1,
  });
  const again = await ask('POST', '/approvals/1/approve', 'proxmox:approve');
  expect(again.statusCode).toBe(409);
});

it('denies', async () => {
  await waiting();
  expect((await ask('POST', '/approvals/1/deny', 'proxmox:approve')).statusCode).toBe(200);
  await expect(tested.approvals.require(asking({ kind: 'person' }), undefined)).rejects.toMatchObject({
    code: 'POLICY_DENIED',
  });
  expect((await ask('POST', '/approvals/1/approve', 'proxmox:approve')).statusCode).toBe(409);
});

it.each(['2', '0', '-1', '1.0', '01', '1e0', '%31%20', '999999999999999999', 'abc', '1%2F..%2F1'])(
  'knows no plan %s',
  async (number) => {
    await waiting();
    expect((await ask('POST', `/approvals/${number}/approve`, 'proxmox:approve')).statusCode).toBe(404);
    await planOf(tested.approvals.require(asking({ kind: 'person' }), undefined));
  },
);

it('does not know an expired plan', async () => {
  await waiting();
  tested.pass(600);
  expect((await ask('POST', '/approvals/1/approve', 'proxmox:approve')).statusCode).toBe(404);
  expect((await ask('GET', '/approvals/1', 'proxmox:approve')).statusCode).toBe(404);
});

it('does not let the caller approve its own second', async () => {
  const number = await waiting('second');
  const token = await tokenFor('alice', 'proxmox:approve');
  const reply = await service.app.inject({
    method: 'POST',
    url: `/approvals/${number}/approve`,
    headers: { host: '127.0.0.1:8000', authorization: `Bearer ${token}` },
  });
  expect(reply.statusCode).toBe(403);
  expect(reply.json()).toMatchObject({ error: 'policy_denied' });
});

it('refuses a reason that is no text', async () => {
  await waiting();
  const reply = await ask('POST', '/approvals/1/approve', 'proxmox:approve', { reason: { a: 1 } });
  expect(reply.statusCode).toBe(400);
  await planOf(tested.approvals.require(asking({ kind: 'person' }), undefined));
});

it('serves no such address where there are no approvals', async () => {
  const without = await buildService({ estate: directoryOf(new RecordingCluster('production')) });
  const reply = await without.app.inject({
    url: '/approvals',
    headers: { host: '127.0.0.1:8000', authorization: `Bearer ${await tokenFor('bob', 'proxmox:approve')}` },
  });
  expect(reply.statusCode).toBe(404);
  await without.close();
});
