import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { JobFollower } from '../../src/access/jobs/follower.ts';
import type { Job } from '../../src/access/jobs/job.ts';
import type { JobStore } from '../../src/access/jobs/store.ts';
import { RunBook } from '../../src/access/runs/runs.ts';
import { openState } from '../../src/access/state.ts';
import { elapsed } from '../../src/catalogue/elapsed.ts';
import { SharedAnswer } from '../../src/clusters/shared-answer.ts';
import { Secret } from '../../src/config/secret.ts';
import { Breaker } from '../../src/proxmox/breaker.ts';
import { Signer } from '../../src/proxmox/credentials.ts';
import { Refusal } from '../../src/proxmox/refusal.ts';
import { directoryOf, RecordingCluster } from '../support/recording-cluster.ts';
import { buildService, tokenFor } from '../support/service.ts';

const START = Date.parse('2026-11-21T12:00:00Z');
const HOURS = 3_600_000;
const SILENT = pino({ level: 'silent' });
const PASSWORD = { kind: 'password', user: 'ops@pve', password: new Secret('a password of a test') } as const;

function clock() {
  const at = { now: START };
  const jump = (hours: number): void => {
    at.now += hours * HOURS;
  };
  return { now: () => at.now, jump };
}

describe.each([-5, 5])('a clock that jumps by %i h', (hours) => {
  it('makes what is kept for a while be asked anew, and not kept for hours', async () => {
    const { now, jump } = clock();
    let asked = 0;
    const answer = new SharedAnswer(async () => ++asked, 10_000, { now });
    await answer.get();
    jump(hours);
    expect(answer.isFresh()).toBe(false);
    expect(await answer.get()).toBe(2);
    expect(answer.isFresh()).toBe(true);
  });

  it('lets an endpoint be tried again that failed before', () => {
    const { now, jump } = clock();
    const breaker = new Breaker({ now });
    for (let count = 0; count < 5; count++) breaker.failed();
    expect(breaker.admits()).toBe(false);
    jump(hours);
    expect(breaker.admits()).toBe(true);
    expect(breaker.admits()).toBe(false);
  });

  it('lets credentials be tried again that were refused before', () => {
    const { now, jump } = clock();
    const refusal = new Refusal(PASSWORD, { now });
    refusal.mark({ status: 401, reason: 'no', headers: {}, body: '' } as never, []);
    expect(() => refusal.check()).toThrow();
    jump(hours);
    expect(() => refusal.check()).not.toThrow();
  });

  it('makes a ticket be fetched anew, as nobody knows how old it is', async () => {
    const { now, jump } = clock();
    let logins = 0;
    const login = async () => ({ ticket: `PVE:ops@pve:${++logins}`, csrfToken: 'csrf' });
    const signer = new Signer(PASSWORD, login, { now });
    await signer.sign('GET', AbortSignal.timeout(5_000));
    jump(hours);
    await signer.sign('GET', AbortSignal.timeout(5_000));
    expect(logins).toBe(2);
  });

  it('gives the run of a process that is gone to the next one', async () => {
    const { now, jump } = clock();
    const state = openState(undefined);
    const first = new RunBook(state, { clock: now }).of('alice');
    const run = await first.begin('migrate a/100', {});
    // It is held, and never given back: so is what a killed process held.
    const { promise: killed, resolve: end } = Promise.withResolvers<void>();
    const { signal } = new AbortController();
    const begun = Promise.withResolvers<void>();
    const held = first.hold(run, signal, () => {
      begun.resolve();
      return killed;
    });
    await begun.promise;
    jump(hours);
    const second = new RunBook(state, { clock: now }).of('alice');
    const again = await second.begin('migrate a/100', {});
    // A hold that went by the clock alone would make this one give up.
    expect(await second.hold(again, signal, async () => 'went on')).toBe('went on');
    end();
    await held;
  });
});

describe('a clock that is set back by 5 h', () => {
  beforeEach(() => void vi.useFakeTimers({ now: START }));
  afterEach(() => void vi.useRealTimers());

  it('does not keep tasks from being asked about', async () => {
    const asked: number[] = [];
    const cluster = new RecordingCluster('a');
    cluster.reply = () => {
      asked.push(Date.now());
      return { status: 'running' };
    };
    const store = { renew: async () => {}, leave: async () => {}, adopt: async () => [] as Job[] };
    const follower = new JobFollower({
      store: store as unknown as JobStore,
      clusters: () => [cluster],
      onEnd: async () => undefined,
      onLook: async () => undefined,
      clock: Date.now,
      random: () => 0.5,
      logger: SILENT,
    });
    onTestFinished(() => follower.close());
    follower.start();
    const upid = 'UPID:pve1:00000001:00112233:66112233:qmstart:100:root@pam:';
    follower.add({ cluster: 'a', upid, startedAt: START } as never);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(asked).toHaveLength(1);
    vi.setSystemTime(START - 5 * HOURS);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked.length).toBeGreaterThan(1);
  });
});

describe('the service, while the clock jumps', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: START }));
  afterEach(() => void vi.useRealTimers());

  const METADATA = '/.well-known/oauth-protected-resource';
  const INITIALIZE = {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  };

  async function start(limits = { perAddress: 0, perPrincipal: 0, failedLogins: 0 }) {
    const estate = directoryOf(new RecordingCluster('production'));
    const service = await buildService({
      estate,
      http: { limits },
      limits: { most: 10, perPrincipal: 10, idleMs: 20 * 60_000 },
    });
    onTestFinished(() => service.close());
    const send = (body: object, session?: string, token?: string) =>
      service.app.inject({
        method: 'POST',
        url: '/mcp',
        headers: {
          host: '127.0.0.1',
          accept: 'application/json, text/event-stream',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(session === undefined ? {} : { 'mcp-session-id': session }),
        },
        payload: body,
      });
    return { service, send };
  }

  it.each([-5, 5])('by %i h, nobody has to wait longer than a minute for a limit', async (hours) => {
    const { service } = await start({ perAddress: 1, perPrincipal: 0, failedLogins: 0 });
    const ask = () => service.app.inject({ url: METADATA, headers: { host: '127.0.0.1' } });
    await ask();
    vi.setSystemTime(START + hours * HOURS);
    const refused = await ask();
    expect(refused.statusCode).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
  });

  it('by 5 h ahead, a session that is in use is kept, and a token ends as it says', async () => {
    const { send, service } = await start();
    const opened = await send(INITIALIZE, undefined, await tokenFor('alice'));
    const session = String(opened.headers['mcp-session-id']);
    vi.setSystemTime(START + 5 * HOURS);
    expect(service.streamable.sessionCount).toBe(1);
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect((await send(ping, session, await tokenFor('alice'))).statusCode).toBe(200);
    vi.setSystemTime(START);
    const early = await tokenFor('alice');
    vi.setSystemTime(START + 5 * HOURS);
    expect((await send(ping, session, early)).statusCode).toBe(401);
  });
});

it('knows no time that a clock says was negative', () => {
  expect(elapsed(5, 7)).toBe(2);
  expect(elapsed(7, 7)).toBe(0);
  expect(elapsed(7, 5)).toBe(Number.POSITIVE_INFINITY);
  expect(elapsed(Number.NEGATIVE_INFINITY, 5)).toBe(Number.POSITIVE_INFINITY);
});
