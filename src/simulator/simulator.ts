import { type Certificate, makeCertificate } from './certificate.ts';
import { type ClusterSpec, DEMO_ESTATE } from './estate.ts';
import { Faults } from './faults.ts';
import { type RecordedRequest, RequestRecorder } from './requests.ts';
import { buildState, FULL_TOKEN, LIMITED_TOKEN, SERVICE_USER } from './state/build-state.ts';
import type { ClusterState } from './state/cluster-state.ts';
import { NodeServer } from './wire/node-server.ts';

export interface SimulatorOptions {
  /** Default: the demo estate. */
  clusters?: ClusterSpec[];
  /** The address to bind; default 127.0.0.1. */
  host?: string;
  /** Fixed ports, used node by node in order; further nodes get free ones. */
  ports?: number[];
  /** How long a task runs; default 2. With 0 it has ended before its UPID is answered. */
  taskSeconds?: number;
  /** epoch ms; default Date.now */
  clock?: () => number;
  /** How long every 401 is held back; default 3, as by the real thing. */
  authDelaySeconds?: number;
}

export interface Simulator {
  clusters: SimulatedCluster[];
  /** Throws for a name that no cluster has. */
  cluster(name: string): SimulatedCluster;
  close(): Promise<void>;
}

export interface SimulatedCluster {
  name: string;
  /** `host:port` of the first node. */
  url: string;
  /** `host:port` of every node, in node order. */
  endpoints: string[];
  /** `user@realm` */
  user: string;
  /** The name of a token with all rights; its full id is `user!tokenId`. */
  tokenId: string;
  tokenSecret: string;
  /** A token with privilege separation and no ACL. */
  limitedTokenId: string;
  limitedTokenSecret: string;
  password: string;
  fingerprint: string;
  certificatePem: string;
  requests: RecordedRequest[];
  state: ClusterState;
  faults: Faults;
  /** The cluster goes down: nothing listens, every connection is cut. Its tasks go on. */
  stop(): Promise<void>;
  /** It comes back on the same ports. */
  start(): Promise<void>;
}

interface Settings {
  host: string;
  ports: number[];
  taskSeconds: number;
  clock: () => number;
  authDelayMs: number;
}

/** Starts every cluster of the estate, each with its own certificate and fresh secrets. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings: Settings = {
    host: options.host ?? '127.0.0.1',
    ports: [...(options.ports ?? [])],
    taskSeconds: options.taskSeconds ?? 2,
    clock: options.clock ?? Date.now,
    authDelayMs: (options.authDelaySeconds ?? 3) * 1000,
  };
  const clusters: SimulatedCluster[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
    for (const cluster of clusters) cluster.state.tasks.close();
  };
  try {
    for (const spec of options.clusters ?? DEMO_ESTATE) clusters.push(await startCluster(spec, settings));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    clusters,
    cluster: (name) => {
      const found = clusters.find((cluster) => cluster.name === name);
      if (!found) throw new Error(`no simulated cluster '${name}'`);
      return found;
    },
    close,
  };
}

async function startCluster(spec: ClusterSpec, settings: Settings): Promise<SimulatedCluster> {
  const { host, ports, clock, authDelayMs } = settings;
  const state = buildState(spec, settings);
  const faults = new Faults();
  const recorder = new RequestRecorder(clock);
  const certificate = await makeCertificate(spec.name, host);
  const context = { state, faults, recorder, certificate, authDelayMs };
  const servers = spec.nodes.map((node) => new NodeServer(context, node.name, host, ports.shift() ?? 0));
  const start = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.listen()));
  };
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  const endpoints = servers.map((server) => `${reachable(host)}:${server.port}`);
  return {
    ...describe(state, certificate, endpoints),
    requests: recorder.requests,
    state,
    faults,
    stop,
    start,
  };
}

/** What a client needs to know, bound to a wildcard address too. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

type Credentials = Omit<SimulatedCluster, 'requests' | 'state' | 'faults' | 'stop' | 'start'>;

function describe(state: ClusterState, certificate: Certificate, endpoints: string[]): Credentials {
  const secretOf = (name: string): string => state.access.findToken(SERVICE_USER, name)?.secret ?? '';
  return {
    name: state.name,
    url: endpoints[0] ?? '',
    endpoints,
    user: SERVICE_USER,
    tokenId: FULL_TOKEN,
    tokenSecret: secretOf(FULL_TOKEN),
    limitedTokenId: LIMITED_TOKEN,
    limitedTokenSecret: secretOf(LIMITED_TOKEN),
    password: state.access.users.get(SERVICE_USER)?.password ?? '',
    fingerprint: certificate.fingerprint,
    certificatePem: certificate.pem,
  };
}
