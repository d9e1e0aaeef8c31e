import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import type { Approvals } from '../../src/access/approvals/approvals.ts';
import { type Credentials, openCredentials } from '../../src/access/credentials.ts';
import type { Gate } from '../../src/access/gate.ts';
import type { Principal } from '../../src/access/principal.ts';
import { openState } from '../../src/access/state.ts';
import { createTokenVerifier, issueToken, type VerifierParts } from '../../src/access/tokens.ts';
import type { Estate } from '../../src/clusters/cluster.ts';
import type { AuthConfig, HttpConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import type { Toolset } from '../../src/config/toolsets.ts';
import { buildApp } from '../../src/http/app.ts';
import type { PressureLimits, Timeouts } from '../../src/http/parts.ts';
import { Dispatcher, type DispatcherOptions } from '../../src/mcp/dispatcher.ts';
import type { CallLimits } from '../../src/mcp/running-calls.ts';
import type { SessionLimits } from '../../src/mcp/sessions.ts';
import { SseDoor } from '../../src/mcp/sse.ts';
import { type DoorServers, StreamableHttpDoor } from '../../src/mcp/streamable-http.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { gateFor, type TestGate } from './gate.ts';

export const SHARED_SECRET = new Secret('test-secret-of-more-than-32-bytes-0123456789');
export const AUDIENCE = 'proxmox-mcp';

export interface ServiceOptions {
  estate: Estate;
  http?: Partial<HttpConfig>;
  /** The shared secret of the tests where absent. */
  auth?: AuthConfig;
  verifier?: Omit<VerifierParts, 'credentials'>;
  readOnly?: boolean;
  /** As MCP_TOOLSETS has it; everything where absent. */
  toolsets?: ReadonlySet<Toolset>;
  /** Another gate than the usual one. */
  gate?: (logger: Logger) => Gate;
  approvals?: Approvals;
  /** Policy, approvals, record and the like of the usual gate; without, nothing needs an approval. */
  gateOptions?: TestGate;
  limits?: SessionLimits;
  postDeadlineMs?: number;
  keepAliveMs?: number;
  callDeadlineSeconds?: number;
  callLimits?: CallLimits;
  limitsOf?: (principal: Principal) => { callsPerMinute?: number };
  /** Between two looks at a resource that is subscribed to. */
  watchPauseMs?: number;
  /** Another dispatcher than the usual one, such as one with other tools. */
  dispatcher?: (parts: DispatcherOptions) => Dispatcher;
  servers?: DoorServers;
  pressure?: PressureLimits;
  timeouts?: Partial<Timeouts>;
}

export interface TestService {
  app: FastifyInstance;
  dispatcher: Dispatcher;
  streamable: StreamableHttpDoor;
  sse: SseDoor;
  /** Keys, tokens and revocations, in memory. */
  credentials: Credentials;
  /** What the service logged, one line each. */
  lines: string[];
  /** `http://127.0.0.1:port`, once `listen` was called. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** The whole service over the given clusters, with a log that a test can read. */
export async function buildService(options: ServiceOptions): Promise<TestService> {
  const { estate, limits, postDeadlineMs, keepAliveMs, toolsets } = options;
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const gate =
    options.gate?.(logger) ??
    gateFor(logger, { readOnly: options.readOnly ?? false, ...options.gateOptions });
  const makeDispatcher = options.dispatcher ?? ((parts) => new Dispatcher(parts));
  const dispatcher = makeDispatcher({
    tools: TOOLS,
    ...(toolsets ? { toolsets: () => toolsets } : {}),
    gate,
    logger,
    newId: randomUUID,
    deadlineSeconds: options.callDeadlineSeconds ?? 60,
    ...(options.callLimits ? { callLimits: options.callLimits } : {}),
    ...(options.limitsOf ? { limitsOf: options.limitsOf } : {}),
    ...(options.watchPauseMs === undefined ? {} : { watchPauseMs: options.watchPauseMs }),
  });
  const streamable = new StreamableHttpDoor({
    dispatcher,
    logger,
    newId: randomUUID,
    ...(limits ? { limits } : {}),
    ...(postDeadlineMs === undefined ? {} : { postDeadlineMs }),
    ...(options.servers ? { servers: options.servers } : {}),
  });
  const sse = new SseDoor({
    dispatcher,
    messagesPath: '/messages',
    ...(limits ? { limits } : {}),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  });
  const auth = options.auth ?? { mode: 'shared-secret', secret: SHARED_SECRET, audience: AUDIENCE };
  const credentials = openCredentials(openState(undefined));
  const http = {
    host: '127.0.0.1',
    port: 0,
    allowedHosts: ['localhost:*', '127.0.0.1:*'],
    allowedOrigins: [],
    trustedProxies: [],
    limits: { perAddress: 0, perPrincipal: 0, failedLogins: 0 },
    ...options.http,
  };
  const app = await buildApp({
    http,
    auth,
    verifyToken: createTokenVerifier(auth, { credentials, logger, ...options.verifier }),
    revocations: credentials.revocations,
    approvals: options.approvals,
    clusters: estate,
    dispatcher,
    streamable,
    sse,
    logger,
    pressure: options.pressure,
    timeouts: options.timeouts,
    // A thousand tests end one each.
    ending: { flushMs: 20, lingerMs: 30 },
  });
  return {
    app,
    dispatcher,
    streamable,
    sse,
    credentials,
    lines,
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    close: () => app.close(),
  };
}

/** A token for a test; admin unless a scope is given. */
export function tokenFor(subject: string, scope = 'proxmox:admin'): Promise<string> {
  return issueToken(SHARED_SECRET, { subject, scope, lifetimeSeconds: 600, audience: AUDIENCE });
}
