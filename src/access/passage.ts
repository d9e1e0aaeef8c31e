import type { Logger } from 'pino';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Approval } from '../config/policy-schema.ts';
import type { Redaction } from '../observability/redaction.ts';
import { type NamedSpan, traced } from '../observability/tracing.ts';
import type { ProxmoxReply } from '../proxmox/call.ts';
import { toCallError } from '../proxmox/errors.ts';
import type { Approvals, Approved } from './approvals/approvals.ts';
import { type ApproveOptions, Approving, kindOf, type StandingApproval } from './approving.ts';
import { followUpGrant } from './follow-up.ts';
import { Grant } from './grant.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Judging, recordedOf } from './judging.ts';
import type { Decision, Policy, Tenant } from './policy/policy.ts';
import { tenantAnswer, visibleVmids } from './policy/tenant-view.ts';
import { CallRecord } from './record.ts';
import { refuseGivenEndpoint } from './remote-endpoint.ts';
import { Sending } from './sending.ts';
import { withoutGiven } from './shown-parameters.ts';
import { stepEnded } from './snapshot-first.ts';
import { StepMaker } from './step-maker.ts';
import { type Passing, type Step, singleBinding } from './steps.ts';

export interface PassageOptions {
  /** MCP_READ_ONLY; read anew for each call, as a reload may change it. */
  readonly readOnly: boolean;
  /** Read anew for each call, too. */
  readonly policy: Policy;
  approvals: Approvals;
  /** Remembers the tasks that are started, and tells the record how they end. */
  jobs: Jobs;
  /** Absent where no AUDIT_FILE is set. */
  audit?: AuditLog | undefined;
  redaction: Redaction;
  logger: Logger;
  /** Epoch milliseconds. */
  clock: () => number;
}

/**
 * The way of one call through the gate: risk, guests, policy, parameters, approval, record, send, record. Each step
 * comes before the next on purpose: a person is asked only about what is allowed and well formed, and what leaves has
 * been recorded.
 */
export class Passage {
  readonly #options: PassageOptions;
  readonly #record: CallRecord;
  readonly #judging: Judging;
  readonly #steps: StepMaker;
  readonly #approving: Approving;
  readonly #sending: Sending;

  constructor(options: PassageOptions) {
    this.#options = options;
    this.#record = new CallRecord(options.audit, options.clock);
    this.#judging = new Judging(options, this.#record);
    this.#steps = new StepMaker(this.#judging);
    this.#approving = new Approving(options, this.#judging);
    this.#sending = new Sending(options.jobs, this.#record, this.#judging);
  }

  /** @throws CallError before anything is sent, or what the cluster answered; secrets of the call are not in it. */
  async pass(passing: Passing): Promise<ProxmoxReply> {
    const { cluster, origin, request, grants } = passing;
    // Before the cluster is asked for its catalogue.
    refuseGivenEndpoint(request);
    let catalogue: Catalogue | undefined;
    try {
      catalogue = await cluster.catalogue(origin.signal);
      const known = catalogue;
      const { before, main } = await traced({
        span: () => spanOf('gate: judge', passing),
        work: () => this.#steps.of(passing, known),
        problemOf: codeOf,
      });
      // Before the approval: that reads the guest, and one that is used up for a call without a place would be lost.
      origin.enter?.(cluster.name);
      const approved = await this.#take(before === undefined ? [main] : [before, main], grants);
      if (before !== undefined) {
        await stepEnded(cluster, await this.#sending.send(before, approved), origin.signal);
        // The snapshot took its time: what was allowed before it may no longer be.
        await this.#judging.judge(main, catalogue);
      }
      const reply = await this.#sending.send(main, approved);
      const { creates } = main.guests;
      if (creates !== undefined) passing.made?.set(creates.vmid, creates);
      const next = approved && followUpGrant(main, catalogue, approved, reply.data);
      if (next !== undefined) grants?.push(next);
      const tenant = this.#options.policy.tenantOf(origin.principal);
      if (tenant === undefined || request.method !== 'GET') return reply;
      return await ofTenant(passing, tenant, reply);
    } catch (error) {
      throw withoutGiven(error, catalogue, request);
    }
  }

  /**
   * Takes one approval for calls that a tool is about to make, before the first of them leaves; each is judged again
   * when it does.
   *
   * @param passings all to one cluster; calls to several guests count as one bulk
   * @returns undefined where none of them needs an approval
   * @throws CallError as `pass` does before anything is sent
   */
  async approve(passings: readonly Passing[], options?: ApproveOptions): Promise<Grant | undefined> {
    const steps = await this.#steps.together(passings);
    const approved = await this.#take(steps, [], options);
    return approved && new Grant(approved, steps.map(singleBinding));
  }

  /**
   * Takes one approval for calls that are made again and again, whenever their time comes.
   *
   * @returns undefined where none of them needs an approval
   * @throws CallError as `approve` does
   */
  async approveStanding(
    passings: readonly Passing[],
    options?: ApproveOptions,
  ): Promise<StandingApproval | undefined> {
    const steps = await this.#steps.together(passings);
    const approved = await this.#take(steps, [], options);
    return approved && { ...approved, kind: kindOf(steps, options), bindings: steps.map(singleBinding) };
  }

  /** What approval calls need together, by the policy now; asks for none. @throws CallError as `approve` does */
  async approvalFor(passings: readonly Passing[]): Promise<Approval> {
    return kindOf(await this.#steps.together(passings));
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
    const entry = await this.#record.begin(recordedOf(passing, asked, decision));
    try {
      const answer = await work();
      await entry.end({});
      return answer;
    } catch (failure) {
      await entry.end({ failure, isCancelled: passing.origin.signal.aborted });
      throw failure;
    }
  }

  #take(
    steps: readonly Step[],
    grants: Grant[] | undefined,
    options?: ApproveOptions,
  ): Promise<Approved | undefined> {
    const [first] = steps;
    if (first === undefined) return this.#approving.take(steps, grants, options);
    return traced({
      span: () => spanOf('gate: approve', first),
      work: () => this.#approving.take(steps, grants, options),
      attributesOf: (approved) => ({ 'proxmox.approved': approved !== undefined }),
      problemOf: codeOf,
    });
  }
}

async function ofTenant(
  { cluster, origin, request }: Passing,
  tenant: Tenant,
  reply: ProxmoxReply,
): Promise<ProxmoxReply> {
  const { guests } = await cluster.inventory({ signal: origin.signal });
  const visible = visibleVmids(guests, tenant);
  return tenantAnswer({ method: request.method, path: request.path.toString(), tenant, visible }, reply);
}

function spanOf(name: string, { cluster, request }: Passing): NamedSpan {
  return { name, attributes: { 'proxmox.cluster': cluster.name, 'http.request.method': request.method } };
}

function codeOf(error: unknown): string {
  return toCallError(error).code;
}
