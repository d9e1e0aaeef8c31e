import type { Catalogue } from '../catalogue/catalogue.ts';
import { Api } from './api.ts';
import { type ClusterSpec, DEMO_ESTATE } from './estate.ts';
import { type ApiSchema, builtInSchema, hasNetworkRows, schemaFromCatalogue } from './schema/api-schema.ts';
import { readEstate } from './seed.ts';
import { type Settings, type SimulatedCluster, startCluster } from './simulated-cluster.ts';
import type { Release } from './state/cluster-state.ts';
import { linkPeers } from './state/peers.ts';

export type { SimulatedCluster } from './simulated-cluster.ts';

export interface SimulatorOptions {
  /** Default: the demo estate. */
  clusters?: ClusterSpec[];
  /** The estate as `save` wrote it or as someone did: a file of JSON, or what is in one. In place of `clusters`. */
  seed?: unknown;
  /** The API the clusters have; default the built-in one with what the simulator knows of later versions. */
  schema?: Catalogue | ApiSchema;
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
  /** How long the inventory may lag behind the guests; default 10, as by the real thing. With 0 it is live. */
  resourcesLagSeconds?: number;
  /** How long a call waits for a configuration file that another process has locked; default 10. */
  lockWaitSeconds?: number;
  /** By cluster: in how many days its certificate ends; default 365. */
  certificateDays?: Readonly<Record<string, number>>;
}

export interface Simulator {
  clusters: SimulatedCluster[];
  /** Throws for a name that no cluster has. */
  cluster(name: string): SimulatedCluster;
  /** All clusters as a seed, secrets included. */
  save(): { clusters: ClusterSpec[] };
  close(): Promise<void>;
}

/** Starts every cluster of the estate, each with its own certificate and fresh secrets. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const specs = options.seed === undefined ? (options.clusters ?? DEMO_ESTATE) : readEstate(options.seed);
  const settings = settingsOf(options);
  const clusters: SimulatedCluster[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
    await Promise.all(clusters.map((cluster) => cluster.faults.clear()));
    await Promise.all(clusters.map((cluster) => cluster.stop()));
    for (const cluster of clusters) cluster.state.tasks.close();
  };
  try {
    for (const spec of specs) clusters.push(await startCluster(spec, settings));
  } catch (error) {
    await close();
    throw error;
  }
  linkPeers(clusters);
  return {
    clusters,
    cluster: (name) => {
      const found = clusters.find((cluster) => cluster.name === name);
      if (!found) throw new Error(`no simulated cluster '${name}'`);
      return found;
    },
    save: () => ({ clusters: clusters.map((cluster) => cluster.save()) }),
    close,
  };
}

function settingsOf(options: SimulatorOptions): Settings {
  const { schema } = options;
  const given = schema === undefined || 'tree' in schema ? schema : schemaFromCatalogue(schema);
  const api = given === undefined ? builtInApi() : new Api(given);
  return {
    api,
    host: options.host ?? '127.0.0.1',
    ports: [...(options.ports ?? [])],
    taskSeconds: options.taskSeconds ?? 2,
    clock: options.clock ?? Date.now,
    authDelayMs: (options.authDelaySeconds ?? 3) * 1000,
    resourcesLagSeconds: options.resourcesLagSeconds ?? 10,
    certificateDays: options.certificateDays ?? {},
    lockWaitMs: (options.lockWaitSeconds ?? 10) * 1000,
    release: releaseOf(api.schema),
  };
}

/** What it is made of never changes, and to make it takes longer than all else that starts a simulator. */
const made: { builtIn?: Api } = {};

function builtInApi(): Api {
  made.builtIn ??= new Api(builtInSchema());
  return made.builtIn;
}

/** Where a schema does not say which version it is of, it is the one that the simulator describes itself. */
function releaseOf(schema: ApiSchema): Release {
  const version = schema.version ?? '9.2.11';
  return {
    version: /^\d+\.\d+$/.test(version) ? `${version}.11` : version,
    networkRows: schema.open || hasNetworkRows(schema),
  };
}
