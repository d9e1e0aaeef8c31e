import type { Bench } from './bench.ts';
import { type Figure, figure, median, times, WARM_CALLS } from './figures.ts';
import { Load, type Target } from './load.ts';
import { PlainServer } from './plain.ts';
import { modern, ONE_READ, productionService } from './production.ts';
import type { Service } from './service.ts';
import { STATUS_PATH, Upstream } from './upstream.ts';

const CONNECTIONS = 32;
const ROUND_MS = 1_500;
const WARM_ROUND_MS = 4_000;
/** Connections that nothing comes on are closed: those of who is warm already get so much. */
const KEPT_UP_MS = 100;
/** What `fetch` sends by itself, and so every client that is made with it. */
const PACKED = { 'accept-encoding': 'gzip, deflate' };
const BARE_READ = 'Fastify and undici, the same read';
const TRIVIAL = { name: 'trivial', arguments: { text: 'hello' } };

/** What is loaded, with its goal and what it is held against beside the bare limit. */
interface Subject {
  target: Target;
  goal?: number;
  against: string;
  /** A second one to hold it against, for the note. */
  besides?: string;
}

/**
 * Calls per second on each door, and beside them what Fastify and the SDKs' own servers reach on the same core. The
 * subjects take turns, so that a machine that becomes slower becomes so for all.
 */
export const throughput: Bench = {
  name: 'throughput',
  about: `calls per second on each door with ${CONNECTIONS} connections, against bare servers`,
  async run(context) {
    const upstream = context.use(await Upstream.start());
    const service = context.use(await productionService(upstream, context));
    const load = context.use(new Load());
    const ours = oursAt(service.port, service.token);
    const listBytes = await bytesOfList(service);
    const subjects: Subject[] = [
      { target: plainAt('Fastify, JSON echo', context.use(await PlainServer.start('echo'))), against: '' },
      {
        target: plainAt(
          'Fastify, as many bytes as tools/list',
          context.use(await PlainServer.start('bytes', String(listBytes))),
        ),
        against: '',
      },
      {
        target: plainAt(
          BARE_READ,
          context.use(
            await PlainServer.start(
              'read',
              upstream.access.url,
              upstream.authorization,
              `/api2/json${STATUS_PATH}`,
            ),
          ),
        ),
        against: 'Fastify, JSON echo',
      },
      {
        target: sdkAt(
          'SDK v1, trivial tool, session',
          'session',
          context.use(await PlainServer.start('sdk-v1')),
        ),
        against: 'Fastify, JSON echo',
      },
      {
        target: sdkAt(
          'SDK v2, trivial tool, stateless',
          'plain',
          context.use(await PlainServer.start('sdk-v2')),
        ),
        against: 'Fastify, JSON echo',
      },
      ...ours,
    ];
    for (const { target } of subjects) await load.open(target, CONNECTIONS);
    await warm(load, subjects);
    const rates = new Map<string, number[]>();
    await times(context.scale.rounds, async () => {
      for (const { target } of subjects) {
        const rate = await load.run(target.name, ROUND_MS);
        rates.set(target.name, [...(rates.get(target.name) ?? []), rate]);
      }
    });
    return subjects.map((subject) => figureOf(subject, rates));
  },
};

/** In turns, as the measured rounds, so that none of them is idle for long. */
async function warm(load: Load, subjects: readonly Subject[]): Promise<void> {
  const calls = new Map<string, number>();
  const isWarm = ({ target }: Subject): boolean => (calls.get(target.name) ?? 0) >= WARM_CALLS;
  while (!subjects.every(isWarm)) {
    for (const subject of subjects) {
      const { name } = subject.target;
      const milliseconds = isWarm(subject) ? KEPT_UP_MS : WARM_ROUND_MS;
      const answered = ((await load.run(name, milliseconds)) * milliseconds) / 1000;
      calls.set(name, (calls.get(name) ?? 0) + answered);
    }
  }
}

function figureOf(
  { target: { name }, goal, against, besides }: Subject,
  rates: ReadonlyMap<string, number[]>,
): Figure {
  const baseline = against === '' ? undefined : { name: against, rounds: rates.get(against) ?? [] };
  const own = rates.get(name) ?? [];
  const share = besides === undefined ? 0 : median(own) / median(rates.get(besides) ?? []);
  return figure(name, '/s', own, {
    ...(goal === undefined ? {} : { goal }),
    ...(baseline === undefined ? {} : { baseline }),
    ...(besides === undefined ? {} : { note: `${share.toFixed(2)} of "${besides}"` }),
  });
}

/** Of the list as it is sent to who takes no gzip. */
async function bytesOfList({ port, token }: Service): Promise<number> {
  const { message, headers } = modern('tools/list', {});
  const response = await fetch(`http://127.0.0.1:${port}/mcp`, {
    method: 'POST',
    headers: {
      ...headers,
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }),
  });
  return (await response.arrayBuffer()).byteLength;
}

function oursAt(port: number, token: string): Subject[] {
  const authorization = { authorization: `Bearer ${token}` };
  const at = (name: string, door: Target['door'], message: object, headers = {}): Target => ({
    name,
    port,
    path: door === 'sse' ? '/sse' : '/mcp',
    door,
    headers: { ...authorization, ...headers },
    message,
  });
  const call = modern(ONE_READ.method, ONE_READ.params);
  const list = modern('tools/list', {});
  const sdk1 = 'SDK v1, trivial tool, session';
  const sdk2 = 'SDK v2, trivial tool, stateless';
  const bytes = 'Fastify, as many bytes as tools/list';
  const echo = 'Fastify, JSON echo';
  const besides = BARE_READ;
  return [
    { target: at('tools/call, session', 'session', ONE_READ), goal: 4_000, against: sdk1, besides },
    {
      target: at('tools/call, stateless', 'plain', call.message, call.headers),
      goal: 3_000,
      against: sdk2,
      besides,
    },
    { target: at('tools/call, SSE', 'sse', ONE_READ), against: sdk1, besides },
    {
      target: at('tools/list, session', 'session', { method: 'tools/list' }, PACKED),
      goal: 10_000,
      against: echo,
    },
    {
      target: at('tools/list, stateless', 'plain', list.message, { ...list.headers, ...PACKED }),
      goal: 10_000,
      against: echo,
    },
    { target: at('tools/list, session, not packed', 'session', { method: 'tools/list' }), against: bytes },
    { target: at('tools/list, stateless, not packed', 'plain', list.message, list.headers), against: bytes },
  ];
}

function plainAt(name: string, { port }: PlainServer): Target {
  return { name, port, path: '/', door: 'plain', headers: {}, body: JSON.stringify(ONE_READ) };
}

function sdkAt(name: string, door: 'plain' | 'session', { port }: PlainServer): Target {
  const { message, headers } = modern('tools/call', TRIVIAL);
  return door === 'plain'
    ? { name, port, path: '/', door, headers, message }
    : { name, port, path: '/', door, headers: {}, message: { method: 'tools/call', params: TRIVIAL } };
}
