import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { Gate } from '../access/gate.ts';
import { createTokenVerifier } from '../access/tokens.ts';
import { ClusterManager, type EstateChange } from '../clusters/manager.ts';
import type { Config } from '../config/config.ts';
import { buildApp } from '../http/app.ts';
import { publicPath } from '../http/public-url.ts';
import { Dispatcher } from '../mcp/dispatcher.ts';
import { SseDoor } from '../mcp/sse.ts';
import { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import { TOOLS } from '../tools/registry.ts';

/** The part of the service that every door needs. */
export interface Core {
  clusters: ClusterManager;
  dispatcher: Dispatcher;
  /**
   * Takes another configuration into use, as far as that can be done while the service runs: clusters, the default,
   * patterns, CLUSTER_TTL_SECONDS and MCP_READ_ONLY. Clients whose list of tools has become another one are told.
   */
  apply(config: Config): EstateChange;
}

/** Puts clusters, gate and dispatcher together; nothing is contacted yet. */
export function composeCore(config: Config, logger: Logger): Core {
  const clusters = new ClusterManager(config, { logger });
  let inUse = config;
  const gate = new Gate({
    get readOnly() {
      return inUse.readOnly;
    },
    logger,
  });
  const dispatcher = new Dispatcher({ tools: TOOLS, gate, logger, newId: randomUUID });
  clusters.onChange(() => dispatcher.listChanges.refresh());
  return {
    clusters,
    dispatcher,
    apply: (next) => {
      const change = clusters.apply(next);
      inUse = next;
      return change;
    },
  };
}

/** The HTTP service over a core; it does not listen yet. Closing the app closes the doors, not the clusters. */
export function composeApp(config: Config, core: Core, logger: Logger): Promise<FastifyInstance> {
  const { dispatcher, clusters } = core;
  const messagesPath = `${publicPath(config.http)}/messages`;
  return buildApp({
    http: config.http,
    auth: config.auth,
    verifyToken: createTokenVerifier(config.auth),
    clusters,
    dispatcher,
    streamable: new StreamableHttpDoor({ dispatcher, logger, newId: randomUUID }),
    sse: new SseDoor({ dispatcher, messagesPath }),
    logger,
  });
}
