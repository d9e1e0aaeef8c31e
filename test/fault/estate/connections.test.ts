import dns from 'node:dns';
import { afterEach, vi } from 'vitest';
import { parseEndpoint } from '../../../src/config/endpoint.ts';
import { describeFaults, type NamedFault, useSimulator } from '../../support/fault-cases.ts';
import type { EstateOptions } from '../../support/fault-estate.ts';

const simulated = useSimulator();

const OFFLINE_READ = ['GET', '/nodes/pve3/status'] as const;
const OFFLINE_WRITE = [
  'POST',
  '/nodes/pve3/qemu/102/config',
  { data: { description: 'a fault test' } },
] as const;
const IN_DOUBT = 'may or may not have been carried out';

const oneEndpoint: EstateOptions = {
  configure: ({ url }) => ({ endpoints: [parseEndpoint(url)] }),
};

/** undici counts the time of connecting in steps of half a second. */
const impatient = { connectMs: 150, deadlineMs: 4_000 };
const twoEndpoints: EstateOptions = {
  configure: ({ endpoints }) => ({ endpoints: endpoints.slice(0, 2).map(parseEndpoint) }),
  limits: impatient,
};

const down: NamedFault[] = [
  {
    name: 'the only node is down',
    options: oneEndpoint,
    put: ({ target }) => target.stop(),
    lift: ({ target }) => target.start(),
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['refused the connection'], names: [0] },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['refused'], names: [0], arrived: 0 },
  },
  {
    name: 'one of three endpoints is down',
    put: ({ target }) => target.faults.add({ kind: 'node-down', node: 'pve1' }).ready,
    read: {},
    write: { arrived: 1 },
  },
  {
    name: 'all endpoints are down',
    put: ({ target }) => target.faults.add({ kind: 'node-down' }).ready,
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, names: [0, 1, 2] },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, names: [0, 1, 2], arrived: 0 },
  },
  {
    name: 'a port where nobody listens',
    options: { by: 'relay' },
    put: ({ relay }) => relay.close(),
    lift: ({ relay }) => relay.open(),
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['refused the connection', '8006'] },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['refused'], arrived: 0, untouched: true },
  },
];

const nodes: NamedFault[] = [
  {
    name: 'a node that is offline behind a good endpoint (595)',
    put: ({ target }) => target.faults.add({ kind: 'node-down', node: 'pve3' }).ready,
    read: { asks: OFFLINE_READ, code: 'UPSTREAM_ERROR', status: 595, retryable: true, says: ['Node pve3'] },
    write: {
      asks: OFFLINE_WRITE,
      code: 'UPSTREAM_ERROR',
      status: 595,
      retryable: true,
      says: ['Node pve3', 'Nothing was carried out'],
      arrived: 1,
    },
  },
  ...([595, 596, 599] as const).map((code): NamedFault => {
    const inDoubt = code === 595 ? [] : [IN_DOUBT];
    return {
      name: `the answer ${code} from every endpoint`,
      put: ({ target }) => target.faults.add({ kind: 'proxy-error', code }),
      read: { code: 'UPSTREAM_ERROR', status: code, retryable: true, says: ['Node pve2 did not answer'] },
      write: {
        code: 'UPSTREAM_ERROR',
        status: code,
        retryable: code === 595,
        says: ['Node pve2 did not answer', ...inDoubt],
        arrived: 1,
      },
    };
  }),
  {
    name: 'the answer 596 from the first endpoint alone',
    put: ({ target }) => target.faults.add({ kind: 'proxy-error', code: 596, node: 'pve1' }),
    read: {},
    write: {
      code: 'UPSTREAM_ERROR',
      status: 596,
      retryable: false,
      says: [IN_DOUBT],
      names: [0],
      arrived: 1,
    },
  },
];

const silent: NamedFault[] = [
  {
    name: 'a blackhole: TCP is accepted, TLS never begins',
    cold: true,
    options: { ...oneEndpoint, limits: impatient },
    put: ({ target }) => target.faults.add({ kind: 'blackhole' }),
    read: {
      code: 'CLUSTER_UNREACHABLE',
      retryable: true,
      says: ['in time when connecting'],
      names: [0],
    },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, names: [0], arrived: 0, untouched: true },
  },
  {
    name: 'a blackhole at one of two endpoints',
    cold: true,
    options: twoEndpoints,
    put: ({ target }) => target.faults.add({ kind: 'blackhole', node: 'pve1' }),
    read: {},
    write: { arrived: 1 },
  },
  {
    name: 'a blackhole that swallows connections that are open',
    put: ({ target }) => target.faults.add({ kind: 'blackhole' }),
    read: { code: 'TIMEOUT', retryable: true, says: ['0.5 s'] },
    write: { code: 'TIMEOUT', retryable: false, says: [IN_DOUBT], arrived: 1 },
  },
  {
    // What was written into it never gets to the record of requests; the other endpoints would note a second write.
    name: 'a half-open connection: TLS, then no answer',
    cold: true,
    put: ({ target }) => target.faults.add({ kind: 'half-open', node: 'pve1' }),
    read: { code: 'TIMEOUT', retryable: true },
    write: { code: 'TIMEOUT', retryable: false, says: [IN_DOUBT], arrived: 0 },
  },
];

const broken: NamedFault[] = [
  {
    name: 'a connection closed before any byte of an answer',
    put: ({ target }) => target.faults.add({ kind: 'close' }),
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['closed the connection before'] },
    write: { code: 'UPSTREAM_ERROR', retryable: false, says: [IN_DOUBT], names: [0], arrived: 1 },
  },
  {
    name: 'a connection closed during the TLS handshake',
    cold: true,
    options: { by: 'relay' },
    put: ({ relay }) => {
      relay.fate = (socket) => socket.destroy();
    },
    lift: ({ relay }) => {
      relay.fate = undefined;
    },
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: ['during the TLS handshake'] },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, arrived: 0, untouched: true },
  },
  {
    name: 'a port that speaks plain HTTP',
    cold: true,
    options: { by: 'relay' },
    put: ({ relay }) => {
      relay.fate = (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
    },
    lift: ({ relay }) => {
      relay.fate = undefined;
    },
    read: { code: 'CLUSTER_UNREACHABLE', says: ['does not speak TLS'] },
    write: { code: 'CLUSTER_UNREACHABLE', says: ['does not speak TLS'], arrived: 0, untouched: true },
  },
  {
    name: 'idle connections cut by a firewall',
    moment: true,
    options: { by: 'relay' },
    put: ({ relay }) => relay.cut(),
    lift: () => undefined,
    read: {},
    write: { arrived: 1 },
  },
];

describeFaults(simulated, [...down, ...nodes, ...silent, ...broken]);

const NAME = 'pve1.example.invalid';

/** Where the name leads to, for all who look it up; undefined says that there is no such name. */
function nameServer(address: string | undefined): void {
  const lookup = (_name: string, options: { all?: boolean }, done: (...answer: unknown[]) => void): void => {
    if (address === undefined) {
      process.nextTick(done, Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    } else process.nextTick(done, null, options.all ? [{ address, family: 4 }] : address, 4);
  };
  vi.spyOn(dns, 'lookup').mockImplementation(lookup as unknown as typeof dns.lookup);
}

afterEach(() => void vi.restoreAllMocks());

describeFaults(simulated, [
  {
    name: 'a host name that the name server does not know',
    cold: true,
    options: {
      configure: ({ url, fingerprint }) => ({
        endpoints: [{ host: NAME, port: parseEndpoint(url).port, fingerprint }],
      }),
    },
    put: () => nameServer(undefined),
    lift: () => nameServer('127.0.0.1'),
    read: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: [NAME, 'a name that was not found'] },
    write: { code: 'CLUSTER_UNREACHABLE', retryable: true, says: [NAME], arrived: 0, untouched: true },
  },
]);
