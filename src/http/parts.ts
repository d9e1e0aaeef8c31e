import type { Logger } from 'pino';
import type { Approvals } from '../access/approvals/approvals.ts';
import type { Revocations } from '../access/revocations.ts';
import type { SharedKeys } from '../access/shared-keys.ts';
import type { TokenVerifier } from '../access/tokens.ts';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Estate } from '../clusters/cluster.ts';
import type { AuthConfig, HttpConfig } from '../config/config.ts';
import type { Dispatcher } from '../mcp/dispatcher.ts';
import type { SseDoor } from '../mcp/sse.ts';
import type { StreamableHttpDoor } from '../mcp/streamable-http.ts';
import type { Observer } from '../observability/observer.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { QuickRedis } from '../replicas/quick-redis.ts';
import type { ReplicaRegistry } from '../replicas/registry.ts';
import type { OnDecision } from './routes/approvals.ts';
import type { ReadMetrics } from './routes/metrics.ts';

/** What the HTTP service is made of; put together in cli/. */
export interface AppParts {
  http: HttpConfig;
  auth: AuthConfig;
  verifyToken: TokenVerifier;
  revocations: Revocations;
  /** The shared secrets that tokens are checked with; absent where there are none. */
  sharedKeys?: SharedKeys | undefined;
  clusters: Estate;
  /** Where people decide on plans; without it there is no such address. */
  approvals?: Approvals | undefined;
  /** Records what people decide. */
  onDecision?: OnDecision | undefined;
  /** Where calls are recorded; absent where no AUDIT_FILE is set. */
  audit?: Pick<AuditLog, 'healthy'> | undefined;
  /** For `/readyz`. */
  state?: { isHealthy(): boolean } | undefined;
  /** The Redis that replicas share; absent where there is one replica. */
  redis?: { isUp(): boolean } | undefined;
  dispatcher: Dispatcher;
  streamable: StreamableHttpDoor;
  sse: SseDoor;
  /** Where requests for the sessions of other replicas go; absent where there is one replica. */
  replicas?: ReplicaRegistry | undefined;
  /** Where replicas count together. */
  quickRedis?: QuickRedis | undefined;
  /** Counts what is answered and refused; nobody does where absent. */
  observer?: Observer | undefined;
  /** What `/metrics` answers; nothing is served there where absent. */
  readMetrics?: ReadMetrics | undefined;
  /** Is given what counts the open streams, by door. */
  onStreams?: ((count: () => Readonly<Record<string, number>>) => void) | undefined;
  /** Absent where it is off. */
  tracing?: Tracing | undefined;
  logger: Logger;
  /** From when on requests are turned away; never where absent, as in tests, which share their process. */
  pressure?: PressureLimits | undefined;
  /** How long clients may take; the usual limits where absent. */
  timeouts?: Partial<Timeouts> | undefined;
  /** Shorter where nobody is at the other end, as in tests. */
  ending?: Ending;
}

/** When the process counts as blocked, in milliseconds. */
export interface PressureLimits {
  /** Mean by which the event loop comes too late. */
  delayMs: number;
  /** Over so long, and looked at so often. */
  sampleMs: number;
}

/** What Node grants a client, in milliseconds. */
export interface Timeouts {
  /** For its whole request; an answer may take longer. */
  requestMs: number;
  /** For the lines before the body. */
  headersMs: number;
  /** Between two looks at who has used up the two above. */
  checkMs: number;
}

/** What the end of the service waits for once the calls have ended, in milliseconds. */
export interface Ending {
  /** A call has ended before its answer is written; the streams stay open for that long. */
  flushMs: number;
  /** For requests that are no calls: health, metadata. */
  lingerMs: number;
}
