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
import { openState, type State } from '../access/state.ts';
import { createTokenVerifier } from '../access/tokens.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import { ClusterManager, type EstateChange } from '../clusters/manager.ts';
import type { Config } from '../config/config.ts';
import { secretsOf } from '../config/secrets-of.ts';
import { buildApp } from '../http/app.ts';
import { publicPath } from '../http/public-url.ts';
import { Dispatcher } from '../mcp/dispatcher.ts';
import { Scheduler } from '../mcp/scheduler.ts';
import { SseDoor } from '../mcp/sse.ts';
import { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import { Redaction } from '../observability/redaction.ts';
import { TOOLS } from '../tools/registry.ts';

/** The part of the service that every door needs. */
export interface Core {
  clusters: ClusterManager;
  dispatcher: Dispatcher;
  /** STATE_FILE, or memory. */
  state: State;
  approvals: Approvals;
  /** What this service started; `follow` begins to ask how it ends. */
  jobs: Jobs;
  /** Calls tools at their time once it was started; close it before the doors, as what it calls would hold the drain. */
  scheduler: Scheduler;
  /** AUDIT_FILE. */
  audit: AuditLog | undefined;
  /**
   * Takes another configuration into use, as far as that can be done while the service runs: clusters, the default,
   * patterns, the policy, CLUSTER_TTL_SECONDS and MCP_READ_ONLY. Clients whose list of tools has become another one are told.
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
}

/** Puts clusters, gate and dispatcher together; nothing is contacted yet. */
export function composeCore(
  config: Config,
  { logger, redaction = redactionOf(config), audit }: CoreParts,
): Core {
  const state = openState(config.stateFile);
  const clusters = new ClusterManager(config, { logger, onSecrets: (secrets) => redaction.note(secrets) });
  const approvals = new Approvals({ database: state.database, logger, redaction });
  const jobs = new Jobs({
    database: state.database,
    clusters: () => clusters.list(),
    audit,
    redaction,
    logger,
  });
  const schedules = new ScheduleBook(state);
  let inUse = config;
  let policy = createPolicy(config.policy);
  const gate = new Gate({
    get readOnly() {
      return inUse.readOnly;
    },
    get policy() {
      return policy;
    },
    approvals,
    jobs,
    runs: new RunBook(state.database, { redact: (text) => redaction.text(text) }),
    schedules,
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
    limitsOf: (principal) => policy.limitsOf(principal),
    stateKey: approvals.stateKey(),
  });
  const scheduler = new Scheduler({
    book: schedules,
    dispatcher,
    directory: clusters,
    revocations: new Revocations(state),
    logger,
  });
  clusters.onChange(() => dispatcher.listChanges.refresh());
  return {
    clusters,
    dispatcher,
    state,
    approvals,
    jobs,
    scheduler,
    audit,
    apply: (next) => {
      // First, as it may throw: then nothing has changed.
      const nextPolicy = createPolicy(next.policy);
      redaction.keep(secretsOf(next));
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
      await scheduler.close();
      await jobs.close();
      await clusters.close();
      await audit?.close();
      state.close();
    },
  };
}

/** The HTTP service over a core; it does not listen yet. Closing the app closes the doors, not the clusters. */
export function composeApp(config: Config, core: Core, logger: Logger): Promise<FastifyInstance> {
  const { dispatcher, clusters, state, approvals, audit } = core;
  const credentials = openCredentials(state);
  const messagesPath = `${publicPath(config.http)}/messages`;
  return buildApp({
    http: config.http,
    auth: config.auth,
    verifyToken: createTokenVerifier(config.auth, { credentials, logger }),
    revocations: credentials.revocations,
    clusters,
    approvals,
    onDecision:
      audit &&
      ((plan, principal, requestId) =>
        recordDecision(audit, plan, { principal, isAtClient: false, requestId, door: 'http' })),
    audit,
    dispatcher,
    streamable: new StreamableHttpDoor({ dispatcher, logger, newId: randomUUID }),
    sse: new SseDoor({ dispatcher, messagesPath }),
    logger,
  });
}
