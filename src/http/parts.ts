import type { Logger } from 'pino';
import type { Approvals } from '../access/approvals/approvals.ts';
import type { Revocations } from '../access/revocations.ts';
import type { TokenVerifier } from '../access/tokens.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Estate } from '../clusters/cluster.ts';
import type { AuthConfig, HttpConfig } from '../config/config.ts';
import type { Dispatcher } from '../mcp/dispatcher.ts';
import type { SseDoor } from '../mcp/sse.ts';
import type { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import type { OnDecision } from './routes/approvals.ts';

/** What the HTTP service is made of; put together in cli/. */
export interface AppParts {
  http: HttpConfig;
  auth: AuthConfig;
  verifyToken: TokenVerifier;
  revocations: Revocations;
  clusters: Estate;
  /** Where people decide on plans; without it there is no such address. */
  approvals?: Approvals | undefined;
  /** Records what people decide. */
  onDecision?: OnDecision | undefined;
  /** Where calls are recorded; absent where no AUDIT_FILE is set. */
  audit?: Pick<AuditLog, 'healthy'> | undefined;
  dispatcher: Dispatcher;
  streamable: StreamableHttpDoor;
  sse: SseDoor;
  logger: Logger;
  /** Shorter where nobody is at the other end, as in tests. */
  ending?: Ending;
}

/** What the end of the service waits for once the calls have ended, in milliseconds. */
export interface Ending {
  /** A call has ended before its answer is written; the streams stay open for that long. */
  flushMs: number;
  /** For requests that are no calls: health, metadata. */
  lingerMs: number;
}
