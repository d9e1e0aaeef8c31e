import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { AuditLog } from '../audit/audit-log.ts';
import type { AuditBegin } from '../audit/entry.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import { isUpid } from '../proxmox/upid.ts';

/** What is told of a call before it leaves. */
export type RecordedCall = Omit<AuditBegin, 'id'>;

/** What became of a call. */
type Outcome = { endpoint?: string; data?: unknown } | { failure: unknown; isCancelled: boolean };

/** A call that was begun. */
export interface Recorded {
  end(outcome: Outcome): Promise<void>;
}

/** Tasks that this process started and whose end it may come to know. */
const MOST_TASKS = 10_000;

/**
 * The record of calls: in the log, and where there is one in the audit file. Values of parameters stand in the audit
 * alone, as they may be shown.
 */
export class CallRecord {
  readonly #audit: AuditLog | undefined;
  readonly #clock: () => number;
  readonly #tasks = new Map<string, string>();

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
    log?.info({ risks: call.risks, parameters: Object.keys(call.parameters) }, 'proxmox call begins');
    try {
      await this.#audit?.begin({ id, ...call });
    } catch (cause) {
      throw new CallError('INTERNAL', 'The call could not be recorded, so nothing was sent.', {
        hint: 'The operator has to look at the audit file: is its disk full? /readyz and the log say more.',
        retryable: true,
        cause,
      });
    }
    return { end: (outcome) => this.#end(id, startedAt, outcome, log) };
  }

  /** Records a call that was refused, and never left. */
  async refused(call: RecordedCall, outcome: string): Promise<void> {
    const id = randomUUID();
    // A refusal stands, recorded or not.
    await this.#audit?.begin({ id, ...call, write: false }).catch(() => undefined);
    await this.#audit?.end({ id, outcome, durationMs: 0 });
  }

  /** Notes how a task ended, where this process started it. */
  async task(upid: string, taskStatus: string): Promise<void> {
    const id = this.#tasks.get(upid);
    if (id === undefined) return;
    this.#tasks.delete(upid);
    await this.#audit?.task({ id, upid, taskStatus });
  }

  async #end(id: string, startedAt: number, outcome: Outcome, log: Logger | undefined): Promise<void> {
    const durationMs = this.#clock() - startedAt;
    if ('failure' in outcome) {
      const { code, status } = toCallError(outcome.failure);
      const how = outcome.isCancelled ? 'cancelled' : code;
      log?.info({ outcome: how, duration_ms: durationMs }, 'proxmox call ended');
      await this.#audit?.end({ id, outcome: how, durationMs, ...(status === undefined ? {} : { status }) });
      return;
    }
    const { endpoint, data } = outcome;
    log?.info({ outcome: 'ok', endpoint, duration_ms: durationMs }, 'proxmox call ended');
    const upid = typeof data === 'string' && isUpid(data) ? data : undefined;
    if (upid !== undefined) this.#follow(upid, id);
    await this.#audit?.end({
      id,
      outcome: 'ok',
      durationMs,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(upid === undefined ? {} : { upid }),
    });
  }

  #follow(upid: string, id: string): void {
    this.#tasks.set(upid, id);
    const [oldest] = this.#tasks.keys();
    if (this.#tasks.size > MOST_TASKS && oldest !== undefined) this.#tasks.delete(oldest);
  }
}
