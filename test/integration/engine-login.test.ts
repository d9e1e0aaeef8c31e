import { inspect } from 'node:util';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterCredentials } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { type SimulatedCluster, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { callOf, configFor, engineFor, failureOf } from '../support/engine-fixtures.ts';
import { type Answering, configOf, sendJson, startWireServer } from '../support/wire-server.ts';

const READ = callOf('GET', '/nodes');
const WRITE = callOf('POST', '/nodes/pve1/x');
const MINUTE = 60_000;

let simulator: Simulator;
let cluster: SimulatedCluster;

beforeAll(async () => {
  simulator = await startSimulator({ authDelaySeconds: 0, taskSeconds: 0 });
  cluster = simulator.cluster('staging');
});
afterAll(() => simulator.close());
beforeEach(() => {
  cluster.faults.clear();
  cluster.requests.length = 0;
});

function password(value = cluster.password): ClusterCredentials {
  return { kind: 'password', user: cluster.user, password: new Secret(value) };
}

function loginsSeen(): number {
  return cluster.requests.filter(({ path }) => path.endsWith('/access/ticket')).length;
}

describe('login with a password', () => {
  test('one login for many callers, and writes carry the CSRF token', async () => {
    const engine = engineFor(configFor(cluster, { credentials: password() }));
    await Promise.all(Array.from({ length: 12 }, () => engine.send(READ)));
    expect(loginsSeen()).toBe(1);
    const error = await failureOf(engine.send(callOf('POST', '/nodes/nowhere/qemu')));
    expect(error.code).not.toBe('UPSTREAM_AUTH');
    expect(loginsSeen()).toBe(1);
  });

  test('the ticket is renewed after 100 minutes', async () => {
    let now = Date.now();
    const engine = engineFor(configFor(cluster, { credentials: password() }), { clock: { now: () => now } });
    await engine.send(READ);
    now += 99 * MINUTE;
    await engine.send(READ);
    expect(loginsSeen()).toBe(1);
    now += MINUTE;
    await Promise.all([engine.send(READ), engine.send(READ)]);
    expect(loginsSeen()).toBe(2);
  });

  test('a wrong password: one attempt, then an answer at once', async () => {
    const engine = engineFor(configFor(cluster, { credentials: password('wrong') }));
    for (const call of [READ, WRITE, READ]) {
      const error = await failureOf(engine.send(call));
      expect(error).toMatchObject({ code: 'UPSTREAM_AUTH', cluster: 'staging', status: 401 });
      expect(error.hint).toContain('password');
    }
    expect(loginsSeen()).toBe(1);
  });
});

/** A PVE that hands out tickets and lets the test say which calls it refuses. */
async function ticketServer(refuse: (count: number) => string | undefined) {
  let logins = 0;
  let calls = 0;
  const answer: Answering = (request, response) => {
    if (request.url.endsWith('/access/ticket')) {
      logins++;
      const data = { ticket: `PVE:ops@pve:TICKET-${logins}`, CSRFPreventionToken: `CSRF-${logins}` };
      return sendJson(response, 200, { data });
    }
    calls++;
    const reason = refuse(calls);
    if (reason === undefined) return sendJson(response, 200, { data: `ticket ${logins}` });
    // As PVE answers before its formatter: a reason, no content type, no body.
    response.writeHead(401, reason, { Connection: 'close' }).end();
  };
  const server = await startWireServer(answer);
  const credentials: ClusterCredentials = {
    kind: 'password',
    user: 'ops@pve',
    password: new Secret('PASSWORD'),
  };
  const seen = () => server.requests.filter(({ url }) => !url.endsWith('/access/ticket'));
  return { config: configOf([server], { credentials }), server, seen, logins: () => logins };
}

describe('a ticket that PVE refuses', () => {
  test.each([
    ['GET', 'permission denied - invalid PVE ticket'],
    ['GET', 'Authentication failed!'],
    ['POST', 'Permission denied - invalid csrf token'],
    ['DELETE', 'No ticket'],
  ] as const)('%s answered 401 "%s": a new login, and once more', async (method, reason) => {
    const { config, seen, logins } = await ticketServer((count) => (count === 1 ? reason : undefined));
    await expect(engineFor(config).send(callOf(method, '/nodes/pve1/x'))).resolves.toMatchObject({
      data: 'ticket 2',
    });
    expect([seen().length, logins()]).toEqual([2, 2]);
    expect(seen()[1]?.headers.cookie).toBe('PVEAuthCookie=PVE%3Aops%40pve%3ATICKET-2');
    expect(seen()[1]?.headers.csrfpreventiontoken).toBe(method === 'GET' ? undefined : 'CSRF-2');
  });

  test('twice: no third time, and an answer at once for a minute', async () => {
    let now = Date.now();
    const { config, seen } = await ticketServer(() => 'Authentication failed!');
    const engine = engineFor(config, { clock: { now: () => now } });
    expect((await failureOf(engine.send(WRITE))).code).toBe('UPSTREAM_AUTH');
    expect((await failureOf(engine.send(WRITE))).code).toBe('UPSTREAM_AUTH');
    expect(seen()).toHaveLength(2);
    now += MINUTE;
    await failureOf(engine.send(WRITE));
    expect(seen()).toHaveLength(4);
  });

  test('a wrong password in a call’s own parameters does not shut the cluster for others', async () => {
    const { config, seen } = await ticketServer((count) =>
      count <= 2 ? 'authentication failure' : undefined,
    );
    const engine = engineFor(config);
    const error = await failureOf(
      engine.send(callOf('PUT', '/access/password', { parameters: { password: 'x' } })),
    );
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', status: 401 });
    await expect(engine.send(READ)).resolves.toBeDefined();
    expect(seen()).toHaveLength(3);
  });

  test('a write that was refused is not in doubt when the new login hangs', async () => {
    let logins = 0;
    const server = await startWireServer((request, response) => {
      if (!request.url.endsWith('/access/ticket')) return void response.writeHead(401, 'No ticket').end();
      logins++;
      if (logins === 1) sendJson(response, 200, { data: { ticket: 'T', CSRFPreventionToken: 'C' } });
    });
    const engine = engineFor(configOf([server], { credentials: password('PASSWORD') }));
    const error = await failureOf(engine.send({ ...WRITE, deadlineMs: 200 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(logins).toBe(2);
  });

  test('many readers at once: one new login', async () => {
    const { config, logins } = await ticketServer((count) =>
      count <= 6 ? 'Authentication failed!' : undefined,
    );
    const engine = engineFor(config);
    await Promise.all(Array.from({ length: 6 }, () => engine.send(READ)));
    expect(logins()).toBe(2);
  });
});

describe('logins that can’t succeed', () => {
  test.each([
    [{ ticket: 'PVE:!tfa!x', CSRFPreventionToken: 'x', NeedTFA: 1 }],
    [{ ticket: 'PVE:!tfa!{}:x', CSRFPreventionToken: 'x' }],
  ])('a second factor: %j', async (data) => {
    const server = await startWireServer((_request, response) => sendJson(response, 200, { data }));
    const credentials = password('PASSWORD');
    const error = await failureOf(engineFor(configOf([server], { credentials })).send(READ));
    expect(error.code).toBe('UPSTREAM_AUTH');
    expect(error.message).toContain('second factor');
    expect(error.hint).toContain('API token');
  });

  test.each<[string, Answering, string]>([
    ['HTML', (_request, response) => void response.end('<html>'), 'UPSTREAM_ERROR'],
    ['no ticket', (_request, response) => sendJson(response, 200, { data: {} }), 'UPSTREAM_ERROR'],
    ['a hang', () => undefined, 'TIMEOUT'],
  ])('%s', async (_title, answer, code) => {
    const server = await startWireServer(answer);
    const credentials = password('PASSWORD');
    const engine = engineFor(configOf([server], { credentials }), { limits: { deadlineMs: 200 } });
    expect(await failureOf(engine.send(READ))).toMatchObject({ code, cluster: 'test' });
  });

  test('the call was not sent when the login took the deadline', async () => {
    const server = await startWireServer(() => undefined);
    const engine = engineFor(configOf([server], { credentials: password('PASSWORD') }));
    const error = await failureOf(engine.send({ ...WRITE, deadlineMs: 150 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', retryable: true });
    expect(error.message).toContain('was not sent');
  });
});

describe('an API token that PVE refuses', () => {
  test('the cluster answers at once for a minute, then asks again', async () => {
    let now = Date.now();
    const credentials = {
      kind: 'token' as const,
      user: cluster.user,
      tokenId: cluster.tokenId,
      secret: new Secret('00000000-0000-4000-8000-000000000000'),
    };
    const engine = engineFor(configFor(cluster, { credentials }), { clock: { now: () => now } });
    const error = await failureOf(engine.send(READ));
    expect(error).toMatchObject({ code: 'UPSTREAM_AUTH', cluster: 'staging', status: 401, retryable: false });
    expect(error.message).toContain(`${cluster.user}!${cluster.tokenId}`);
    expect(error.message).toContain(`before ${new Date(now + MINUTE).toISOString().slice(11, 19)} UTC`);
    expect(error.hint).toContain('pveum user token');
    await Promise.all(Array.from({ length: 20 }, () => failureOf(engine.send(WRITE))));
    expect(cluster.requests).toHaveLength(1);
    now += MINUTE;
    await failureOf(engine.send(READ));
    expect(cluster.requests).toHaveLength(2);
  });

  test('a new configuration asks at once, and calls that wait in the queue are spared the delay', async () => {
    const server = await startWireServer((_request, response) => {
      setTimeout(() => response.writeHead(401, 'invalid token value!').end(), 50);
    });
    const engine = engineFor(configOf([server]), { limits: { callsPerNode: 2 } });
    await Promise.all(Array.from({ length: 10 }, () => failureOf(engine.send(READ))));
    expect(server.requests).toHaveLength(2);
    await failureOf(engineFor(configOf([server])).send(READ));
    expect(server.requests).toHaveLength(3);
  });
});

test('password, ticket and CSRF token are in no error and no log', async () => {
  const secrets = ['PASSWORD', 'TICKET-1', 'CSRF-1'];
  const server = await startWireServer((request, response) => {
    if (request.url.endsWith('/access/ticket')) {
      return sendJson(response, 200, {
        data: { ticket: 'PVE:ops@pve:TICKET-1', CSRFPreventionToken: 'CSRF-1' },
      });
    }
    const echo = `PASSWORD PVE:ops@pve:TICKET-1 CSRF-1 ${JSON.stringify(request.headers)}`;
    sendJson(response, request.url.endsWith('/401') ? 401 : 500, {
      data: null,
      message: echo,
      errors: { a: echo },
    });
  });
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const credentials = password('PASSWORD');
  const engine = engineFor(configOf([server], { credentials }), { logger });
  for (const path of ['/500', '/401']) {
    const error = await failureOf(engine.send(callOf('POST', path)));
    const everything = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error.toBody());
    for (const secret of secrets) expect(everything).not.toContain(secret);
  }
  expect(lines.join()).toContain('refused');
  for (const secret of secrets) expect(lines.join()).not.toContain(secret);
  expect(inspect(engine, { depth: 20, showHidden: true })).not.toContain('PASSWORD');
});
