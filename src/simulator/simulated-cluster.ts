import type { Api } from './api.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import type { ClusterSpec } from './estate.ts';
import { Faults } from './faults.ts';
import { type RecordedRequest, RequestRecorder } from './requests.ts';
import { buildState, FULL_TOKEN, LIMITED_TOKEN, SERVICE_USER } from './state/build-state.ts';
import type { ClusterState, Release } from './state/cluster-state.ts';
import { saveState } from './state/saving.ts';
import { type NodeContext, NodeServer } from './wire/node-server.ts';

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
  /** The cluster as it is now, secrets included, as a seed for another simulator. */
  save(): ClusterSpec;
  /** The cluster goes down: nothing listens, every connection is cut. Its tasks go on. */
  stop(): Promise<void>;
  /** It comes back on the same ports. */
  start(): Promise<void>;
  /** False from a stop to the next start. */
  isUp(): boolean;
}

export interface Settings {
  api: Api;
  host: string;
  /** Taken from the front, node by node. */
  ports: number[];
  taskSeconds: number;
  clock: () => number;
  authDelayMs: number;
  resourcesLagSeconds: number;
  lockWaitMs: number;
  certificateDays: Readonly<Record<string, number>>;
  release: Release;
}

export async function startCluster(spec: ClusterSpec, settings: Settings): Promise<SimulatedCluster> {
  const { host, ports, clock, api, authDelayMs, lockWaitMs } = settings;
  const state = buildState(spec, settings);
  const servers: NodeServer[] = [];
  const faults = new Faults({ state, nodes: servers });
  const recorder = new RequestRecorder(clock);
  const certificate = await makeCertificate(spec.name, host, settings.certificateDays[spec.name]);
  const context: NodeContext = { api, state, faults, recorder, certificate, authDelayMs, lockWaitMs };
  for (const { name } of spec.nodes) servers.push(new NodeServer(context, name, host, ports.shift() ?? 0));
  let up = false;
  const start = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.listen()));
    up = true;
  };
  const stop = async (): Promise<void> => {
    up = false;
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
    save: () => ({ name: spec.name, nodes: spec.nodes, state: saveState(state) }),
    stop,
    start,
    isUp: () => up,
  };
}

/** What a client needs to know, bound to a wildcard address too. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

type Credentials = Omit<
  SimulatedCluster,
  'requests' | 'state' | 'faults' | 'save' | 'stop' | 'start' | 'isUp'
>;

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
