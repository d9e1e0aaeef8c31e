/** What is read of a cluster when Prometheus asks; nothing of it is asked for then. */
export interface ClusterState {
  cluster: string;
  /** Whether one of its endpoints answered the last time; absent before anything was asked. */
  isUp?: boolean;
  endpoints: { answering: number; failing: number; unknown: number };
  breakersOpen: number;
  /** Open connections to its nodes, requests under way, and requests that wait for their turn. */
  connections: number;
  running: number;
  queued: number;
  /** When the inventory that is kept was asked for, in epoch milliseconds. */
  inventoryAsOf?: number;
  /** When the first of the certificates that its endpoints show ends, in epoch milliseconds. */
  certificateExpiresAt?: number;
}

/** What is read of the service when Prometheus asks: kept nowhere else, and so of no cost until then. */
export interface ServiceState {
  version: string;
  clusters(): readonly ClusterState[];
  /** Sessions and open streams, by door. */
  sessions(): Readonly<Record<string, number>>;
  streams(): Readonly<Record<string, number>>;
  callsRunning(): number;
  jobsRunning(): number;
  /** Plans of the last hour, by state. */
  plans(): Readonly<Record<string, number>>;
  /** Those that hold; the cluster is empty where they are about the service itself. */
  alerts(): readonly { kind: string; severity: string; cluster: string }[];
  /** Absent where nothing is recorded. */
  audit?: (() => { isHealthy: boolean; lines: number }) | undefined;
  /** Whether what replicas share answers; absent where there is one alone. */
  isRedisUp?: (() => boolean) | undefined;
}
