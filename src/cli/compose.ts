import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { Approvals } from '../access/approvals/approvals.ts';
import { recordDecision } from '../access/approvals/decision-record.ts';
import { openCredentials } from '../access/credentials.ts';
import { Gate } from '../access/gate.ts';
import { Jobs } from '../access/jobs/jobs.ts';
import { createPolicy } from '../access/policy/policy.ts';
import { Revocations } from '../access/revocations.ts';
import { RunBook } from '../access/runs/runs.ts';
import { ScheduleBook } from '../access/schedules/book.ts';
import { SharedCallRate } from '../access/shared-call-rate.ts';
import { SharedKeys } from '../access/shared-keys.ts';
import type { State } from '../access/state.ts';
import { createTokenVerifier } from '../access/tokens.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { ClusterManager, type EstateChange } from '../clusters/manager.ts';
import type { Config } from '../config/config.ts';
import { secretsOf } from '../config/secrets-of.ts';
import { buildApp } from '../http/app.ts';
import type { PressureLimits } from '../http/parts.ts';
import { publicPath } from '../http/public-url.ts';
import { Dispatcher } from '../mcp/dispatcher.ts';
import { Scheduler } from '../mcp/scheduler.ts';
import { SseDoor } from '../mcp/sse.ts';
import { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import { Metrics } from '../observability/metrics.ts';
import { Redaction } from '../observability/redaction.ts';
import type { ServiceState } from '../observability/service-state.ts';
import type { Tracing } from '../observability/tracing.ts';
import { TOOLS } from '../tools/registry.ts';
import { type Alerting, alertBoard, composeAlerting } from './alerting.ts';
import { metricsReader, serviceState, tracingOf } from './observe.ts';
import type { Replicas } from './replicas.ts';
import { openServiceState } from './state.ts';

/**
 * Far beyond what load alone brings: only what blocks again and again, nearly all the time, gets there. With 1 s a
 * service that had just begun, on a machine whose two cores had 17 processes to run, turned its first clients away.
 */
const PRESSURE: PressureLimits = { delayMs: 3_000, sampleMs: 2_000 };

/** The part of the service that every door needs. */
export interface Core {
  clusters: ClusterManager;
  dispatcher: Dispatcher;
  /** What the replicas share, or STATE_FILE, or memory. */
  state: State;
  approvals: Approvals;
  /** What this service started; `follow` begins to ask how it ends. */
  jobs: Jobs;
  /** Calls tools at their time once it was started; close it before the doors, as what it calls would hold the drain. */
  scheduler: Scheduler;
  /** Watches, and tells who wants to know, once it was started. */
  alerting: Alerting;
  /** AUDIT_FILE. */
  audit: AuditLog | undefined;
  /** MCP_JWT_SECRET and the one before it; absent where tokens are signed by others. */
  sharedKeys: SharedKeys | undefined;
  /** What it shares with other replicas; absent where there is one. */
  replicas: Replicas | undefined;
  /** What is counted; absent where nobody may read it. */
  metrics: Metrics | undefined;
  /** Absent where it is off. */
  tracing: Tracing | undefined;
  /**
   * Takes another configuration into use, as far as that can be done while the service runs: clusters, the default,
   * patterns, the policy, the shared secret, CLUSTER_TTL_SECONDS and MCP_READ_ONLY. Clients whose list of tools has become another one are told.
   */
  apply(config: Config): EstateChange;
  /** Closes clusters, record and state, once the doors are closed. */
  close(): Promise<void>;
}

/** A redaction that knows every secret of a configuration. */
export function redactionOf(config: Config): Redaction {
  const redaction = new Redaction();
  redaction.keep(secretsOf(config));
  return redaction;
}

/** What a core is made with, beside its configuration. */
export interface CoreParts {
  logger: Logger;
  /** That of the logger, which learns here of tickets and of what a reload brings. */
  redaction?: Redaction;
  /** From `openAudit`; who closes the clusters closes it after them. */
  audit?: AuditLog | undefined;
  /** From `openReplicas`; closed with the core. */
  replicas?: Replicas | undefined;
}

/** Puts clusters, gate and dispatcher together; nothing is contacted yet. */
export async function composeCore(
  config: Config,
  { logger, redaction = redactionOf(config), audit, replicas }: CoreParts,
): Promise<Core> {
  const state = await openServiceState(config, replicas?.redis, logger);
  const observer = config.http.metrics && new Metrics();
  const tracing = await tracingOf(config.tracing, logger);
  const clusters = new ClusterManager(config, {
    logger,
    onSecrets: (secrets) => redaction.note(secrets),
    observer,
    sharedAnswers: replicas?.answers,
  });
  const approvals = new Approvals({ state, logger, redaction, observer });
  const jobs = new Jobs({
    state,
    clusters: () => clusters.list(),
    audit,
    redaction,
    logger,
    observer,
  });
  const schedules = new ScheduleBook(state);
  const sharedKeys = config.auth.mode === 'shared-secret' ? new SharedKeys(config.auth) : undefined;
  let inUse = config;
  let policy = createPolicy(config.policy);
  const board = alertBoard(redaction);
  const gate = new Gate({
    get readOnly() {
      return inUse.readOnly;
    },
    get policy() {
      return policy;
    },
    approvals,
    jobs,
    runs: new RunBook(state, { redact: (text) => redaction.text(text) }),
    schedules,
    alerts: board,
    audit,
    redaction,
    logger,
    clock: Date.now,
  });
  const dispatcher = new Dispatcher({
    tools: TOOLS,
    toolsets: () => inUse.toolsets,
    gate,
    logger,
    redaction,
    newId: randomUUID,
    observer,
    tracing,
    limitsOf: (principal) => policy.limitsOf(principal),
    stateKey: await approvals.stateKey(),
    callRate: replicas && new SharedCallRate(replicas.quick),
  });
  const scheduler = new Scheduler({
    book: schedules,
    dispatcher,
    directory: clusters,
    revocations: new Revocations(state),
    logger,
  });
  clusters.onChange(() => dispatcher.listChanges.refresh());
  const alerting = composeAlerting({
    board,
    clusters: () => clusters.list(),
    config: () => inUse.alerts,
    state,
    audit,
    redis: replicas?.redis,
    certificateExpiresAt: () => inUse.http.tls?.expiresAt,
    announce: (changes) => dispatcher.alertNews.announce(changes),
    logger,
  });
  return {
    clusters,
    dispatcher,
    state,
    approvals,
    jobs,
    scheduler,
    alerting,
    audit,
    sharedKeys,
    replicas,
    metrics: observer,
    tracing,
    apply: (next) => {
      // First, as it may throw: then nothing has changed.
      const nextPolicy = createPolicy(next.policy);
      redaction.keep(secretsOf(next));
      if (next.auth.mode === 'shared-secret') sharedKeys?.renew(next.auth);
      const change = clusters.apply(next);
      const isOther =
        JSON.stringify(next.policy) !== JSON.stringify(inUse.policy) ||
        [...next.toolsets].join() !== [...inUse.toolsets].join();
      policy = nextPolicy;
      inUse = next;
      if (isOther) dispatcher.listChanges.refresh(true);
      return change;
    },
    close: async () => {
      await alerting.close();
      await scheduler.close();
      await jobs.close();
      await clusters.close();
      await audit?.close();
      await tracing?.close();
      await state.close();
      replicas?.redis.close();
    },
  };
}

/** The HTTP service over a core; it does not listen yet. Closing the app closes the doors, not the clusters. */
export function composeApp(config: Config, core: Core, logger: Logger): Promise<FastifyInstance> {
  const { dispatcher, clusters, state, approvals, audit, metrics, tracing, replicas } = core;
  const credentials = openCredentials(state);
  const owner = replicas?.registry.name;
  // Any replica may get the requests of a session: its id tells which one holds it.
  const newSessionId = owner === undefined ? randomUUID : () => `${owner}.${randomUUID()}`;
  const messagesPath = `${publicPath(config.http)}/messages${owner === undefined ? '' : `?replica=${owner}`}`;
  const streamable = new StreamableHttpDoor({ dispatcher, logger, newId: newSessionId });
  const sse = new SseDoor({ dispatcher, messagesPath });
  let streams: ServiceState['streams'] = () => ({});
  const doors = { streamable, sse, streams: () => streams() };
  return buildApp({
    http: config.http,
    auth: config.auth,
    verifyToken: createTokenVerifier(config.auth, { credentials, logger, sharedKeys: core.sharedKeys }),
    revocations: credentials.revocations,
    sharedKeys: core.sharedKeys,
    clusters,
    approvals,
    onDecision:
      audit &&
      ((plan, principal, requestId) =>
        recordDecision(audit, plan, { principal, isAtClient: false, requestId, door: 'http' })),
    audit,
    // What all replicas lack at once is no state of this one that is lost.
    state: replicas === undefined ? state : undefined,
    redis: replicas && { isUp: () => replicas.redis.isUp() && state.isHealthy() },
    dispatcher,
    streamable,
    sse,
    replicas: replicas?.registry,
    quickRedis: replicas?.quick,
    observer: metrics,
    readMetrics: metrics && metricsReader(metrics, serviceState(core, doors)),
    onStreams: (count) => {
      streams = count;
    },
    tracing,
    logger,
    pressure: PRESSURE,
  });
}
