import Fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import { healthRoutes } from '../../../src/http/routes/health.ts';
import { directoryOf, RecordingCluster } from '../../support/recording-cluster.ts';

const DOWN = {
  reachable: false,
  code: 'CLUSTER_UNREACHABLE',
  message: '192.0.2.1:8006 refused the connection',
  checkedAt: 0,
} as const;

type Parts = Omit<Parameters<typeof healthRoutes>[1], 'clusters'>;

function appWith(parts: Parts = {}, down: readonly string[] = []) {
  const clusters = ['a', 'b'].map((name) => new RecordingCluster(name));
  for (const cluster of clusters) if (down.includes(cluster.name)) cluster.state = DOWN;
  const app = Fastify();
  onTestFinished(() => app.close());
  healthRoutes(app, { clusters: directoryOf(...clusters), ...parts });
  const ask = async () => {
    const { statusCode, body } = await app.inject('/readyz');
    expect(body).not.toContain('192.0.2.1');
    return [statusCode, JSON.parse(body)];
  };
  return { app, clusters, ask };
}

const state = (isWell: boolean) => ({ isHealthy: () => isWell });
const redis = (isWell: boolean) => ({ isUp: () => isWell });
const audit = (isWell: boolean) => ({
  healthy: () => (isWell ? ({ ok: true } as const) : ({ ok: false, problem: 'x' } as const)),
});

it.each([
  [{}, [], 200, { status: 'ready' }],
  [{ state: state(true), audit: audit(true), redis: redis(true) }, [], 200, { status: 'ready', redis: 'ok' }],
  [{ state: state(true) }, ['a'], 200, { status: 'ready' }],
  [{ state: state(true) }, ['a', 'b'], 503, { status: 'no cluster answers' }],
  [{ audit: audit(false) }, [], 503, { status: 'calls can not be recorded', audit: 'failing' }],
  [{ state: state(false) }, [], 503, { status: 'state can not be used', state: 'failing' }],
  [{ state: state(false), redis: redis(false) }, [], 200, { status: 'degraded', redis: 'failing' }],
  [{ state: state(false), redis: redis(true) }, [], 200, { status: 'degraded', state: 'failing' }],
  [{ state: state(true), redis: redis(false) }, [], 200, { status: 'degraded', redis: 'failing' }],
  [{ state: state(false), redis: redis(false) }, ['a', 'b'], 503, { status: 'no cluster answers' }],
  [{ audit: audit(false), redis: redis(false) }, [], 503, { status: 'calls can not be recorded' }],
] as [Parts, string[], number, object][])(
  'with %o and %j down it answers %i',
  async (parts, down, code, body) => {
    const { ask } = appWith(parts, down);
    expect(await ask()).toEqual([code, expect.objectContaining(body)]);
  },
);

it('is not ready while the service drains', async () => {
  const { app } = appWith();
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  app.addHook('preClose', () => {
    begun.resolve();
    return ended.promise;
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const closing = app.close();
  await begun.promise;
  expect((await fetch(`${url}/readyz`)).status).toBe(503);
  ended.resolve();
  await closing;
});

it('does not wait for a cluster that is slow to say how it is', async () => {
  const { ask, clusters } = appWith();
  const [slow] = clusters;
  if (!slow) throw new Error('no cluster');
  slow.health = (signal?: AbortSignal) =>
    new Promise((resolve) => {
      signal?.addEventListener('abort', () => resolve({ ...DOWN, code: 'TIMEOUT' }));
    });
  const [code, { clusters: shown }] = await ask();
  expect([code, shown]).toEqual([
    200,
    [
      { name: 'a', reachable: false, problem: 'TIMEOUT' },
      { name: 'b', reachable: true },
    ],
  ]);
});
