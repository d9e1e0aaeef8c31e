import { expect } from 'vitest';
import {
  type Asked,
  bounded,
  describeFaults,
  expectEnding,
  faultTest,
  type NamedFault,
  READ,
  useSimulator,
  WRITE,
  warm,
} from '../../support/fault-cases.ts';
import { Relay } from '../../support/relay.ts';
import { type Answering, sendJson } from '../../support/wire-server.ts';

const simulated = useSimulator();

const IN_DOUBT = 'may or may not have been carried out';
const FOREIGN = 'is this the right port?';

const slow: NamedFault[] = (['slow-headers', 'slow-body'] as const).map((kind) => ({
  name: kind === 'slow-headers' ? 'a head of one byte per second' : 'a body of one byte per second',
  put: ({ target }) => target.faults.add({ kind, ms: 1000 }),
  read: { code: 'TIMEOUT', retryable: true, says: ['0.5 s'] },
  write: { code: 'TIMEOUT', retryable: false, says: [IN_DOUBT], arrived: 1 },
}));

const cut: NamedFault[] = [
  {
    name: 'half a JSON, then the connection breaks',
    put: ({ target }) => target.faults.add({ kind: 'truncated-json' }),
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['closed the connection'] },
    write: { code: 'UPSTREAM_ERROR', retryable: false, says: [IN_DOUBT], names: [0], arrived: 1 },
  },
  {
    name: 'half a JSON that claims to be whole',
    put: ({ target }) => target.faults.add({ kind: 'truncated-json', end: true }),
    read: { code: 'UPSTREAM_ERROR', says: ['JSON that is cut off'], names: [0] },
    write: { code: 'UPSTREAM_ERROR', retryable: false, says: ['JSON that is cut off', IN_DOUBT], arrived: 1 },
  },
  {
    name: 'a write that is carried out and never answered',
    put: ({ target }) => target.faults.add({ kind: 'commit-then-close' }),
    write: { code: 'UPSTREAM_ERROR', retryable: false, says: [IN_DOUBT, 'list_tasks'], arrived: 1 },
  },
];

/** What a reverse proxy says in the place of Proxmox. */
function byFront(name: string, answer: Answering, read: NamedFault['read'], words: string): NamedFault {
  return {
    name,
    options: { by: 'front', limits: { maxAnswerBytes: 256 * 1024 } },
    put: ({ front }) => {
      front.answer = answer;
    },
    lift: ({ front }) => {
      front.answer = undefined;
    },
    ...(read ? { read: { ...read, says: [words, ...(read.says ?? [])], untouched: true } } : {}),
    write: {
      code: 'UPSTREAM_ERROR',
      retryable: false,
      says: [words, ...(read?.code === 'UPSTREAM_ERROR' && read.status === 500 ? [] : [IN_DOUBT])],
      arrived: 0,
      atFront: 1,
      untouched: true,
    },
  };
}

const page = (status: number): Answering => {
  return (_request, response) =>
    void response.writeHead(status, { 'Content-Type': 'text/html' }).end('<html>nginx INTERNAL-NAME</html>');
};

const fronts: NamedFault[] = [
  byFront(
    'a page of HTML with 502 by a proxy',
    page(502),
    { code: 'UPSTREAM_ERROR', status: 502, retryable: true },
    'HTML',
  ),
  byFront('a page of HTML with 401 by a proxy', page(401), { code: 'UPSTREAM_ERROR', status: 401 }, 'HTML'),
  byFront(
    'plain text with 500',
    (_request, response) =>
      void response.writeHead(500, 'no luck today', { Connection: 'close' }).end('no luck today'),
    { code: 'UPSTREAM_ERROR', status: 500, retryable: false },
    'no luck today',
  ),
  byFront(
    'nothing at all with 200',
    (_request, response) => void response.writeHead(200).end(),
    { code: 'UPSTREAM_ERROR' },
    'answered nothing',
  ),
  byFront(
    'JSON without the envelope',
    (_request, response) => sendJson(response, 200, { ok: true }),
    { code: 'UPSTREAM_ERROR' },
    'not as the Proxmox API does',
  ),
  byFront(
    'an error that sends the credentials back',
    ({ headers }, response) =>
      sendJson(response, 500, { data: null, message: `not for ${headers.authorization}` }),
    { code: 'UPSTREAM_ERROR', status: 500 },
    '[redacted]',
  ),
  byFront(
    'an answer over the bound of a body',
    (_request, response) => sendJson(response, 200, { data: 'x'.repeat(1024 * 1024) }),
    { code: 'UPSTREAM_ERROR', retryable: false, says: ['Ask for less'] },
    'larger than 262144 bytes',
  ),
];

describeFaults(simulated, [
  ...slow,
  ...cut,
  {
    name: 'a page of HTML with 200',
    put: ({ target }) => target.faults.add({ kind: 'html' }),
    read: { code: 'UPSTREAM_ERROR', says: ['answered HTML', FOREIGN], names: [0] },
    write: { code: 'UPSTREAM_ERROR', retryable: false, says: ['answered HTML', IN_DOUBT], arrived: 1 },
  },
  ...fronts,
]);

let elsewhere: Relay;

describeFaults(
  simulated,
  ([302, 307] as const).map(
    (code): NamedFault => ({
      name: `a redirect to another host (${code})`,
      put: async ({ target }) => {
        elsewhere = await Relay.start(target.url);
        const location = `https://127.0.0.1:${elsewhere.port}/api2/json/version`;
        target.faults.add({ kind: 'redirect', code, location });
      },
      lift: async ({ target }) => {
        await target.faults.clear();
        await elsewhere.close();
        expect(elsewhere.connections, 'it was not followed').toBe(0);
      },
      read: { code: 'UPSTREAM_ERROR', status: code, says: ['a redirect', 'not followed'], names: [0] },
      write: { code: 'UPSTREAM_ERROR', status: code, retryable: false, says: ['not followed'], arrived: 1 },
    }),
  ),
);

faultTest(
  simulated,
  'a storm of 500, 502, 503 and 504 over half of the calls',
  async (estate) => {
    await warm(estate);
    const asked: Asked[] = [...Array(12).fill(READ), ...Array(12).fill(WRITE)];
    estate.target.faults.add({ kind: 'storm', rate: 0.5 });
    const answers = await bounded(estate, () => Promise.all(asked.map((one) => estate.ask(...one))));
    const failed = answers.filter(({ error }) => error !== undefined);
    expect(failed.length).toBeGreaterThan(0);
    for (const { error } of failed) {
      expect(error).toMatchObject({ code: 'UPSTREAM_ERROR', cluster: 'production' });
      expect([500, 502, 503, 504]).toContain(error?.status);
    }
    expect(estate.writes, 'each write arrived once').toHaveLength(12);
    await estate.target.faults.clear();
    expectEnding(await estate.ask(...READ), {}, estate);
  },
  // 24 calls at once, which a busy machine does not end in the usual half a second: then it would be a deadline's storm.
  { limits: { deadlineMs: 3_000 } },
);
