import type { Logger } from 'pino';
import type { TokenVerifier } from '../access/tokens.ts';
import type { Estate } from '../clusters/cluster.ts';
import type { AuthConfig, HttpConfig } from '../config/config.ts';
import type { Dispatcher } from '../mcp/dispatcher.ts';
import type { SseDoor } from '../mcp/sse.ts';
import type { StreamableHttpDoor } from '../mcp/streamable-http.ts';

/** What the HTTP service is made of; put together in cli/. */
export interface AppParts {
  http: HttpConfig;
  auth: AuthConfig;
  verifyToken: TokenVerifier;
  clusters: Estate;
  dispatcher: Dispatcher;
  streamable: StreamableHttpDoor;
  sse: SseDoor;
  logger: Logger;
}
