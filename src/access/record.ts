import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AuditBegin } from '../audit/entry.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import { upidsIn } from './jobs/job.ts';

/** What is told of a call before it leaves. */
export type RecordedCall = Omit<AuditBegin, 'id'>;

/** What became of a call. */
type Outcome = { endpoint?: string; data?: unknown } | { failure: unknown; isCancelled: boolean };

/** A call that was begun. */
export interface Recorded {
  /** Joins its begin, its end, and the ends of the tasks that it starts. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  end(outcome: Outcome): Promise<void>;
}

type About = Pick<RecordedCall, 'cluster' | 'method' | 'path' | 'risks'> & { parameters: string[] };

interface Begun {
  id: string;
  startedAt: number;
  about: About;
  log: Logger | undefined;
}

/**
 * The record of calls: in the log, and where there is one in the audit file. Values of parameters stand in the audit
 * alone, as they may be shown.
 */
export class CallRecord {
  readonly #audit: AuditLog | undefined;
  readonly #clock: () => number;

  constructor(audit: AuditLog | undefined, clock: () => number) {
    this.#audit = audit;
    this.#clock = clock;
  }

  /**
   * Records that a call is about to leave.
   *
   * @param log absent for what is answered from what the service knows
   * @throws CallError INTERNAL where that can't be recorded: then nothing may leave
   */
  async begin(call: RecordedCall, log?: Logger): Promise<Recorded> {
    const id = randomUUID();
    const startedAt = this.#clock();
    const about = aboutOf(call);
    // Of a read its end says all of that, and comes within its deadline.
    log?.[call.write ? 'info' : 'debug'](about, 'proxmox call begins');
    try {
      await this.#audit?.begin({ id, ...call });
    } catch (cause) {
      throw new CallError('INTERNAL', 'The call could not be recorded, so nothing was sent.', {
        hint: 'The operator has to look at the audit file: is it in its place, and its disk not full? The log says more.',
        retryable: true,
        cause,
      });
    }
    return { id, startedAt, end: (outcome) => this.#end({ id, startedAt, about, log }, outcome) };
  }

  /** Records a call that was refused, and never left. */
  async refused(call: RecordedCall, outcome: string): Promise<void> {
    const id = randomUUID();
    // A refusal stands, recorded or not.
    await this.#audit?.begin({ id, ...call, write: false }).catch(() => undefined);
    await this.#audit?.end({ id, outcome, durationMs: 0 });
  }

  async #end({ id, startedAt, about, log }: Begun, outcome: Outcome): Promise<void> {
    const durationMs = this.#clock() - startedAt;
    if ('failure' in outcome) {
      const { code, status } = toCallError(outcome.failure);
      const how = outcome.isCancelled ? 'cancelled' : code;
      log?.info({ ...about, outcome: how, duration_ms: durationMs }, 'proxmox call ended');
      await this.#audit?.end({ id, outcome: how, durationMs, ...(status === undefined ? {} : { status }) });
      return;
    }
    const { endpoint, data } = outcome;
    log?.info({ ...about, outcome: 'ok', endpoint, duration_ms: durationMs }, 'proxmox call ended');
    // A list of tasks that was read is none of this call's.
    const upids = about.method === 'GET' ? [] : upidsIn(data);
    const upid = upids.length === 1 ? upids[0] : undefined;
    await this.#audit?.end({
      id,
      outcome: 'ok',
      durationMs,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(upid === undefined ? {} : { upid }),
    });
  }
}

/**
 * What the log says of a call in each of its lines: names of parameters, and no values. No logger of its own for that:
 * to make one costs as much as a line.
 */
function aboutOf({ cluster, method, path, risks, parameters }: RecordedCall): About {
  return { cluster, method, path, risks, parameters: Object.keys(parameters) };
}
