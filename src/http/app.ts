import { setTimeout as sleep } from 'node:timers/promises';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { openResponses } from './open-responses.ts';
import type { AppParts, Ending } from './parts.ts';
import { allowlist } from './plugins/allowlist.ts';
import { bearer } from './plugins/bearer.ts';
import { errors } from './plugins/errors.ts';
import { createLimits } from './plugins/limits.ts';
import { checkToolsets } from './plugins/toolsets.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { healthRoutes } from './routes/health.ts';
import { mcpRoutes } from './routes/mcp.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { sseRoutes } from './routes/sse.ts';

/** Largest body in bytes; the SDKs' own bound is the same. */
const BODY_LIMIT = 4 * 1024 * 1024;
/** Time for a client to send its whole request; an answer may take longer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A socket on which nothing moves: longer than the longest call, which may be silent until it ends. */
const CONNECTION_TIMEOUT_MS = 16 * 60_000;
/** Longer than the idle time-outs of the usual proxies, so that they and not we close a reused connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** How long calls in flight may take to end once the process has been told to stop. */
const DRAIN_MS = 10_000;
const ENDING: Ending = { flushMs: 100, lingerMs: 500 };

/** Builds the service without listening, so that a test can `inject`. */
export async function buildApp(parts: AppParts): Promise<FastifyInstance> {
  const { http, logger } = parts;
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    trustProxy: http.trustedProxies.length > 0 && http.trustedProxies,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    routerOptions: { ignoreTrailingSlash: true },
    // A stream would hold the drain for ever; the doors close theirs in `preClose`.
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // Fastify's bound on a hook: the drain has its own, shorter one.
    pluginTimeout: 2 * DRAIN_MS,
  });
  errors(app);
  jsonBodies(app);
  allowlist(app, http);
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  await app.register(cors, {
    origin: http.allowedOrigins.length === 0 ? false : http.allowedOrigins,
    methods: ['GET', 'POST', 'DELETE'],
    allowedHeaders: [
      'authorization',
      'x-api-key',
      'content-type',
      'mcp-session-id',
      'mcp-protocol-version',
      'mcp-method',
      'mcp-name',
      'x-mcp-readonly',
      'x-mcp-toolsets',
      'last-event-id',
    ],
    exposedHeaders: [
      'mcp-session-id',
      'www-authenticate',
      'retry-after',
      'ratelimit-limit',
      'ratelimit-remaining',
      'ratelimit-reset',
    ],
    maxAge: 600,
  });
  // Behind CORS, so that a web page can read the refusal too.
  const limits = await createLimits(app, parts);
  app.addHook('onRequest', limits.address);
  bearer(app, parts, limits.failedLogin);
  app.addHook('onRequest', limits.principal);
  checkToolsets(app);
  app.addHook('preHandler', limits.messages);
  openResponses(app, parts);
  healthRoutes(app, parts);
  metadataRoutes(app, parts);
  if (parts.approvals)
    approvalRoutes(app, { approvals: parts.approvals, http, onDecision: parts.onDecision });
  mcpRoutes(app, parts);
  sseRoutes(app, parts);
  drain(app, parts);
  return app;
}

/** Clients send DELETE with a JSON content type and no body, which Fastify's own parser refuses. */
function jsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '' && request.method === 'DELETE') return done(null, undefined);
    return parse(request, String(body), done);
  });
}

/** Lets the calls in flight end, then ends the streams, then the connections. */
function drain(app: FastifyInstance, { dispatcher, streamable, sse, ending = ENDING }: AppParts): void {
  app.addHook('preClose', async () => {
    await dispatcher.settled(DRAIN_MS);
    await sleep(ending.flushMs);
    await Promise.allSettled([streamable.close(), sse.close()]);
    // What is left by now is keep-alive connections, and ones that were opened and never used: Node counts those as
    // busy, so closing the idle ones would not end them.
    const end = setTimeout(() => app.server.closeAllConnections(), ending.lingerMs);
    app.server.once('close', () => clearTimeout(end));
  });
}
