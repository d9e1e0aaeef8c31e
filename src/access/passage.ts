import type { Logger } from 'pino';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import { isObject } from '../catalogue/json.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Redaction } from '../observability/redaction.ts';
import type { Parameters, ProxmoxReply } from '../proxmox/call.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import type { Approvals, Approved } from './approvals/approvals.ts';
import { ApprovalRequiredError, aboutOf, bindingOf, DeclinedError, guestInPath } from './approvals/plan.ts';
import type { CallOrigin, GateRequest } from './gate.ts';
import { guestFacts } from './guest-facts.ts';
import { judge, refusal } from './judge.ts';
import { toParameters } from './parameters.ts';
import { describeFor, guestDigestOf } from './plan-reads.ts';
import { strictest } from './policy/decision.ts';
import type { TouchedGuests } from './policy/guests.ts';
import type { Decision, Policy } from './policy/policy.ts';
import { tenantAnswer, visibleVmids } from './policy/tenant-view.ts';
import { CallRecord, type RecordedCall } from './record.ts';
import { shownParameters, withoutGiven } from './shown-parameters.ts';
import { snapshotBefore, stepEnded } from './snapshot-first.ts';
import { riskOfRequest, verified } from './verification.ts';

export interface PassageOptions {
  /** MCP_READ_ONLY; read anew for each call, as a reload may change it. */
  readonly readOnly: boolean;
  /** Read anew for each call, too. */
  readonly policy: Policy;
  approvals: Approvals;
  /** Absent where no AUDIT_FILE is set. */
  audit?: AuditLog | undefined;
  redaction: Redaction;
  logger: Logger;
  /** Epoch milliseconds. */
  clock: () => number;
}

/** A call on its way to a cluster, and why it goes to that one. */
export interface Passing {
  cluster: Cluster;
  selectedBy: string;
  matched?: string | undefined;
  origin: CallOrigin;
  request: GateRequest;
}

/** What is known of a call once it has been judged. */
interface Judged {
  catalogue: Catalogue;
  decision: Decision;
  guests: TouchedGuests;
  reasons: readonly string[];
  recorded: RecordedCall;
}

/** A request that is ready to be sent: the call itself, or a snapshot before it. */
interface Step extends Passing, Judged {
  parameters: Parameters;
}

/** What the record says of a call that the policy allows and that was stopped behind it. */
const REFUSALS: Partial<Record<CallError['code'], string>> = {
  APPROVAL_REQUIRED: 'awaits approval',
  POLICY_DENIED: 'denied',
  CONFLICT: 'denied',
  NOT_FOUND: 'denied',
};
const TASK_STATUS = /^\/nodes\/[^/]+\/tasks\/([^/]+)\/status$/;

/**
 * The way of one call through the gate: risk, guests, policy, parameters, approval, record, send, record. Each step
 * comes before the next on purpose: a person is asked only about what is allowed and well formed, and what leaves has
 * been recorded.
 */
export class Passage {
  readonly #options: PassageOptions;
  readonly #record: CallRecord;

  constructor(options: PassageOptions) {
    this.#options = options;
    this.#record = new CallRecord(options.audit, options.clock);
  }

  /** @throws CallError before anything is sent, or what the cluster answered; secrets of the call are not in it. */
  async pass(passing: Passing): Promise<ProxmoxReply> {
    const { cluster, origin, request } = passing;
    let catalogue: Catalogue | undefined;
    try {
      catalogue = await cluster.catalogue(origin.signal);
      const before = snapshotBefore(request);
      const steps = [
        ...(before === undefined ? [] : [await this.#step({ ...passing, request: before }, catalogue)]),
        await this.#step(passing, catalogue),
      ];
      // Before the approval: that reads the guest, and one that is used up for a call without a place would be lost.
      origin.enter?.(cluster.name);
      const approved = await this.#approve(passing, steps);
      let reply: ProxmoxReply | undefined;
      for (const step of steps) {
        if (reply !== undefined) {
          await stepEnded(cluster, reply, origin.signal);
          // The snapshot took its time: what was allowed before it may no longer be.
          await this.#judge(step, catalogue);
        }
        reply = await this.#send(step, approved);
      }
      if (reply === undefined) throw new Error('a call has no step');
      return this.#ofTenant(passing, reply);
    } catch (error) {
      throw withoutGiven(error, catalogue, request);
    }
  }

  /**
   * Records what a caller is shown of the service's own reads, which may be some seconds old, as the read it stands for.
   *
   * @throws CallError of the work; INTERNAL where it can't be recorded
   */
  async shown<T>(
    passing: Omit<Passing, 'request'>,
    path: string,
    decision: Decision,
    work: () => Promise<T>,
  ): Promise<T> {
    // A fleet asks a hundred clusters at once: what nobody keeps is not made.
    if (this.#options.audit === undefined) return work();
    const asked = { method: 'GET', path, parameters: {}, risks: ['read'] } as const;
    const entry = await this.#record.begin(this.#recorded(passing, asked, decision));
    try {
      const answer = await work();
      await entry.end({});
      return answer;
    } catch (failure) {
      await entry.end({ failure, isCancelled: passing.origin.signal.aborted });
      throw failure;
    }
  }

  async #step(passing: Passing, catalogue: Catalogue): Promise<Step> {
    const { cluster, request } = passing;
    const judged = await this.#judge(passing, catalogue);
    const parameters = cluster.config.validate ? verified(catalogue, request) : toParameters(request.data);
    return { ...passing, ...judged, parameters };
  }

  async #judge(passing: Passing, catalogue: Catalogue): Promise<Judged> {
    const { policy, readOnly } = this.#options;
    const { cluster, origin, request } = passing;
    const { method, data } = request;
    const path = request.path.toString();
    const { risks, reasons } = riskOfRequest(catalogue, request);
    const isNeeded = policy.needsGuest(origin.principal) || request.expectName !== undefined;
    const guests = await guestFacts(cluster, { method, path, data }, isNeeded, origin.signal);
    const asked = { method, path, risks, reasons, guests, parameters: data };
    const decision = judge(policy, origin, cluster, readOnly, asked);
    const parameters = shownParameters(catalogue, request, this.#options.redaction);
    const recorded = this.#recorded(passing, { method, path, parameters, risks }, decision);
    if (!decision.allowed) {
      const error = refusal(decision, cluster.name);
      this.#log(origin).info(
        { outcome: error.code, cluster: cluster.name, method, path },
        'proxmox call refused',
      );
      await this.#record.refused(recorded, error.code);
      throw error;
    }
    await this.#orRefused(recorded, async () => checkName(cluster.name, request.expectName, guests));
    return { catalogue, decision, guests, reasons, recorded };
  }

  /** Runs a check that comes behind the policy's yes; what it refuses is recorded as refused, too. */
  async #orRefused<T>(recorded: RecordedCall, check: () => Promise<T>): Promise<T> {
    try {
      return await check();
    } catch (error) {
      const { code } = toCallError(error);
      const decision = REFUSALS[code];
      const rule = ruleOf(error) ?? recorded.rule;
      if (decision !== undefined) await this.#record.refused({ ...recorded, decision, rule }, code);
      throw error;
    }
  }

  /** That of the tool call, or one that says as much. */
  #log({ log, requestId, principal, door, tool }: CallOrigin): Logger {
    if (log !== undefined) return log;
    return this.#options.logger.child({ request_id: requestId, subject: principal.subject, door, tool });
  }

  #recorded(
    { cluster, selectedBy, matched, origin }: Omit<Passing, 'request'>,
    asked: Pick<RecordedCall, 'method' | 'path' | 'parameters' | 'risks'>,
    { allowed, rule }: Decision,
  ): RecordedCall {
    const { principal, requestId, door, tool, session } = origin;
    return {
      requestId,
      ...asked,
      // A GET that does more than read, such as one that fetches a file of a guest, is as hard to leave unrecorded.
      write: asked.method !== 'GET' || asked.risks.some((risk) => risk !== 'read'),
      subject: principal.subject,
      credential: principal.credential,
      door,
      tool,
      cluster: cluster.name,
      selectedBy,
      decision: allowed ? 'allowed' : 'denied',
      rule,
      ...(principal.client === undefined ? {} : { client: principal.client }),
      ...(session === undefined ? {} : { session }),
      ...(matched === undefined ? {} : { matched }),
    };
  }

  /** One approval for all steps of a call, before the first of them. */
  async #approve(
    { cluster, origin, request }: Passing,
    steps: readonly Step[],
  ): Promise<Approved | undefined> {
    const kind = strictest(steps.map(({ decision }) => decision.approval));
    const last = steps.at(-1);
    if (kind === 'none' || last === undefined) return undefined;
    const { guests, reasons, recorded, parameters } = last;
    const { method, path } = request;
    const { approvals, policy, clock } = this.#options;
    const { principal, tool, signal, ask } = origin;
    const call = { method, path, parameters, reasons };
    return this.#orRefused(recorded, async () => {
      const guestDigest = await guestDigestOf(guests, cluster, signal);
      await checkGuest(cluster, path.toString(), signal);
      return approvals.require(
        {
          principal,
          tool,
          cluster: cluster.name,
          kind,
          calls: steps.map((step) => ({
            method: step.request.method,
            path: step.request.path.toString(),
            parameters: step.recorded.parameters,
          })),
          about: aboutOf(method, path.toString()),
          binding: bindingOf(
            cluster.name,
            steps.map((step) => ({
              method: step.request.method,
              path: step.request.path.wire,
              parameters: step.parameters,
            })),
          ),
          guestDigest,
          handle: request.planHandle,
          describe: () => describeFor(policy.tenantOf(principal), cluster, call, { signal, now: clock() }),
          signal,
        },
        ask,
      );
    });
  }

  async #send(
    { cluster, origin, request, recorded, parameters }: Step,
    approved: Approved | undefined,
  ): Promise<ProxmoxReply> {
    const { method, path, deadlineMs } = request;
    const log = this.#log(origin).child({
      cluster: cluster.name,
      method,
      path: recorded.path,
    });
    const approval = approved === undefined ? {} : { approval: `plan ${approved.number} by ${approved.by}` };
    const entry = await this.#record.begin({ ...recorded, ...approval }, log);
    try {
      const reply = await cluster.send({
        method,
        path,
        parameters,
        signal: request.signal ?? origin.signal,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
      });
      await entry.end({ endpoint: reply.endpoint, data: reply.data });
      await this.#noteTask(recorded, reply);
      return reply;
    } catch (error) {
      await entry.end({ failure: error, isCancelled: origin.signal.aborted });
      throw error;
    } finally {
      // Also where it failed: a write that timed out may have been carried out.
      if (method !== 'GET') cluster.changed();
    }
  }

  /** Who asks how a task is that this process started tells the record how it ended. */
  async #noteTask({ method, path }: RecordedCall, { data }: ProxmoxReply): Promise<void> {
    const [, upid] = method === 'GET' ? (TASK_STATUS.exec(path) ?? []) : [];
    if (upid === undefined || !isObject(data) || data.status !== 'stopped') return;
    await this.#record.task(upid, String(data.exitstatus ?? 'unexpected status'));
  }

  async #ofTenant({ cluster, origin, request }: Passing, reply: ProxmoxReply): Promise<ProxmoxReply> {
    const tenant = this.#options.policy.tenantOf(origin.principal);
    if (tenant === undefined || request.method !== 'GET') return reply;
    const { guests } = await cluster.inventory({ signal: origin.signal });
    const visible = visibleVmids(guests, tenant);
    return tenantAnswer({ method: request.method, path: request.path.toString(), tenant, visible }, reply);
  }
}

/** What stopped a call behind the policy's yes, for the record; undefined where nothing says it better. */
function ruleOf(error: unknown): string | undefined {
  if (error instanceof DeclinedError) return `plan ${error.number} declined by ${error.by}`;
  if (error instanceof ApprovalRequiredError) return `awaits approval: plan ${error.plan.number}`;
  const { code } = toCallError(error);
  if (code === 'CONFLICT') return 'expect_name';
  return code === 'NOT_FOUND' ? 'no such guest' : undefined;
}

/**
 * Nobody is to be asked about a guest that is not there. A cluster without any guest may be one whose list the token
 * may not see, and tells nothing.
 *
 * @throws CallError NOT_FOUND
 */
async function checkGuest(cluster: Cluster, path: string, signal: AbortSignal): Promise<void> {
  const vmid = guestInPath(path);
  if (vmid === undefined) return;
  // The digest has just read it anew.
  const { guests } = await cluster.inventory({ signal });
  if (guests.length === 0 || guests.some((guest) => guest.vmid === vmid)) return;
  throw new CallError('NOT_FOUND', `There is no guest ${vmid}; nothing was sent.`, {
    cluster: cluster.name,
    hint: 'Find the guest with resolve_guest or find_guests.',
  });
}

/** @throws CallError CONFLICT where the VMID belongs to another guest by now */
function checkName(cluster: string, expected: string | undefined, { named }: TouchedGuests): void {
  if (expected === undefined) return;
  const [guest] = named;
  if (guest?.name?.toLowerCase() === expected.toLowerCase()) return;
  const found =
    guest === undefined
      ? 'the call is about no guest'
      : guest.unknown
        ? `the name of ${guest.vmid} could not be read`
        : `${guest.vmid} is ${guest.name === undefined ? 'no guest' : JSON.stringify(guest.name)}`;
  throw new CallError(
    'CONFLICT',
    `${JSON.stringify(expected)} was expected, but ${found}; nothing was sent.`,
    {
      cluster,
      hint: 'Find the guest anew with resolve_guest: VMIDs are reused.',
      retryable: false,
    },
  );
}
