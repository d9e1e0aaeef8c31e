import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { Gate } from '../../src/access/gate.ts';
import { createTokenVerifier, issueToken } from '../../src/access/tokens.ts';
import type { Estate } from '../../src/clusters/cluster.ts';
import type { HttpConfig } from '../../src/config/config.ts';
import { Secret } from '../../src/config/secret.ts';
import { buildApp } from '../../src/http/app.ts';
import { Dispatcher } from '../../src/mcp/dispatcher.ts';
import type { SessionLimits } from '../../src/mcp/sessions.ts';
import { SseDoor } from '../../src/mcp/sse.ts';
import { StreamableHttpDoor } from '../../src/mcp/streamable-http.ts';
import { TOOLS } from '../../src/tools/registry.ts';

export const SHARED_SECRET = new Secret('test-secret-of-more-than-32-bytes-0123456789');
export const AUDIENCE = 'proxmox-mcp';

export interface ServiceOptions {
  estate: Estate;
  http?: Partial<HttpConfig>;
  readOnly?: boolean;
  limits?: SessionLimits;
  postDeadlineMs?: number;
  keepAliveMs?: number;
  callDeadlineSeconds?: number;
}

export interface TestService {
  app: FastifyInstance;
  dispatcher: Dispatcher;
  streamable: StreamableHttpDoor;
  sse: SseDoor;
  /** What the service logged, one line each. */
  lines: string[];
  /** `http://127.0.0.1:port`, once `listen` was called. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** The whole service over the given clusters, with a log that a test can read. */
export async function buildService(options: ServiceOptions): Promise<TestService> {
  const { estate, limits, postDeadlineMs, keepAliveMs } = options;
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  const gate = new Gate({ readOnly: options.readOnly ?? false, logger });
  const dispatcher = new Dispatcher({
    tools: TOOLS,
    gate,
    logger,
    newId: randomUUID,
    deadlineSeconds: options.callDeadlineSeconds ?? 60,
  });
  const streamable = new StreamableHttpDoor({
    dispatcher,
    logger,
    newId: randomUUID,
    ...(limits ? { limits } : {}),
    ...(postDeadlineMs === undefined ? {} : { postDeadlineMs }),
  });
  const sse = new SseDoor({
    dispatcher,
    messagesPath: '/messages',
    ...(limits ? { limits } : {}),
    ...(keepAliveMs === undefined ? {} : { keepAliveMs }),
  });
  const auth = { mode: 'shared-secret', secret: SHARED_SECRET, audience: AUDIENCE } as const;
  const http = {
    host: '127.0.0.1',
    port: 0,
    allowedHosts: ['localhost:*', '127.0.0.1:*'],
    allowedOrigins: [],
    ...options.http,
  };
  const app = await buildApp({
    http,
    auth,
    verifyToken: createTokenVerifier(auth),
    clusters: estate,
    dispatcher,
    streamable,
    sse,
    logger,
  });
  return {
    app,
    dispatcher,
    streamable,
    sse,
    lines,
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    close: () => app.close(),
  };
}

/** A token for a test; admin unless a scope is given. */
export function tokenFor(subject: string, scope = 'proxmox:admin'): Promise<string> {
  return issueToken(SHARED_SECRET, { subject, scope, lifetimeSeconds: 600, audience: AUDIENCE });
}
