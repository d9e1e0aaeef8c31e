import type { Logger } from 'pino';
import type { AuditLog } from '../audit/audit-log.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Approval } from '../config/policy-schema.ts';
import type { Redaction } from '../observability/redaction.ts';
import type { Parameters, ProxmoxReply } from '../proxmox/call.ts';
import { toCallError } from '../proxmox/errors.ts';
import { exitStatusOf } from '../proxmox/task.ts';
import type { Approvals, Approved } from './approvals/approvals.ts';
import { recordDecision } from './approvals/decision-record.ts';
import { aboutOf, bindingOf, guestInPath } from './approvals/plan.ts';
import { followUpOf } from './follow-up.ts';
import type { CallOrigin } from './gate.ts';
import { Grant } from './grant.ts';
import { guestFacts, knownGuests } from './guest-facts.ts';
import { startedJobs } from './jobs/job.ts';
import type { Jobs } from './jobs/jobs.ts';
import { judge, refusal } from './judge.ts';
import { checkGuest, checkName, lateRefusal } from './late-checks.ts';
import { toParameters } from './parameters.ts';
import { describeFor, guestDigestOf } from './plan-reads.ts';
import { strictest } from './policy/decision.ts';
import type { Decision, Policy } from './policy/policy.ts';
import { tenantAnswer, visibleVmids } from './policy/tenant-view.ts';
import { CallRecord, type RecordedCall } from './record.ts';
import {
  arrivalOf,
  ENDPOINT_PARAMETER,
  refuseGivenEndpoint,
  remoteEndpoint,
  withoutEndpoint,
} from './remote-endpoint.ts';
import { plannedParameters, shownParameters, withoutGiven } from './shown-parameters.ts';
import { snapshotBefore, stepEnded } from './snapshot-first.ts';
import {
  type Among,
  type Arriving,
  bindingOfSteps,
  bulkGuests,
  describedCalls,
  type Judged,
  madeBy,
  type Passing,
  type Step,
  singleBinding,
} from './steps.ts';
import { uploadOf } from './upload.ts';
import { type AskedCall, riskOfRequest, verified } from './verification.ts';

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

/** What a tool says of the calls that it has approved together. */
export interface ApproveOptions {
  /** What a person has to know that the calls don't say; stands among the plan's warnings. */
  notes?: readonly string[];
  /** Asks for the caller's own second call also where the policy asks for nothing: the plan is to be seen. */
  atLeast?: 'self';
}

/** An approval for calls that are made again and again; only what the service itself starts carries one. */
export interface StandingApproval extends Approved {
  kind: Approval;
  /** `bindingOf` each of the calls. */
  bindings: readonly string[];
}

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
      refuseGivenEndpoint(request);
      const { before, main } = await this.#steps(passing, catalogue);
      // Before the approval: that reads the guest, and one that is used up for a call without a place would be lost.
      origin.enter?.(cluster.name);
      const approved = await this.#approve(before === undefined ? [main] : [before, main], passing.grants);
      if (before !== undefined) {
        await stepEnded(cluster, await this.#send(before, approved), origin.signal);
        // The snapshot took its time: what was allowed before it may no longer be.
        await this.#judge(main, catalogue);
      }
      const reply = await this.#send(main, approved);
      for (const [vmid, guest] of madeBy([main])) passing.made?.set(vmid, guest);
      if (approved !== undefined) this.#cover(main, catalogue, approved, reply);
      return this.#ofTenant(passing, reply);
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
  async approve(passings: readonly Passing[], options: ApproveOptions = {}): Promise<Grant | undefined> {
    const steps = await this.#together(passings);
    const approved = await this.#approve(steps, [], options);
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
    options: ApproveOptions = {},
  ): Promise<StandingApproval | undefined> {
    const steps = await this.#together(passings);
    const approved = await this.#approve(steps, [], options);
    const kind = kindOf(steps, options);
    return approved && { ...approved, kind, bindings: steps.map(singleBinding) };
  }

  async #together(passings: readonly Passing[]): Promise<Step[]> {
    const [first] = passings;
    if (first === undefined) return [];
    const { cluster, origin } = first;
    const catalogue = await cluster.catalogue(origin.signal);
    const bulk = Math.max(1, new Set(passings.flatMap(({ request }) => bulkGuests(request))).size);
    let asked: ReturnType<typeof knownGuests> | undefined;
    const known = () => (asked ??= knownGuests(cluster, true, origin.signal));
    const made = new Map(first.made);
    const steps: Step[] = [];
    for (const passing of passings) {
      refuseGivenEndpoint(passing.request);
      const { before, main } = await this.#steps(passing, catalogue, { bulk, made, known }).catch(
        (error: unknown) => {
          throw withoutGiven(error, catalogue, passing.request);
        },
      );
      for (const [vmid, guest] of madeBy([main])) made.set(vmid, guest);
      steps.push(...(before === undefined ? [main] : [before, main]));
    }
    origin.enter?.(cluster.name);
    return steps;
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

  async #steps(
    passing: Passing,
    catalogue: Catalogue,
    among?: Among,
  ): Promise<{ before?: Step; main: Step }> {
    const snapshot = snapshotBefore(passing.request);
    const before = snapshot && (await this.#step({ ...passing, request: snapshot }, catalogue, among));
    const main = await this.#step(passing, catalogue, among);
    return before === undefined ? { main } : { before: { ...before, isBefore: true }, main };
  }

  async #step(passing: Passing, catalogue: Catalogue, among?: Among): Promise<Step> {
    const { cluster, request, remote } = passing;
    if (remote === undefined) {
      const judged = await this.#judge(passing, catalogue, among);
      return { ...passing, ...judged, parameters: encoded(cluster, catalogue, request), isBefore: false };
    }
    return this.#remoteStep(passing, remote, catalogue, among);
  }

  /** A guest that leaves its cluster is judged twice: here, and as one that is made where it goes. */
  async #remoteStep(
    passing: Passing,
    { target, node }: Arriving,
    catalogue: Catalogue,
    among?: Among,
  ): Promise<Step> {
    const { cluster, origin, request } = passing;
    const { signal } = origin;
    const judged = await this.#judge(passing, catalogue, among);
    const { guests } = await cluster.inventory({ fresh: true, signal });
    const vmid = guestInPath(request.path.toString());
    const arrival = arrivalOf(
      request,
      node,
      guests.find((guest) => guest.vmid === vmid),
    );
    const arriving = { cluster: target, selectedBy: 'explicit', origin, request: arrival };
    const arrived = await this.#judge(arriving, await target.catalogue(signal));
    const endpoint = await remoteEndpoint(target, node, signal);
    const asked = { ...request, data: { ...request.data, [ENDPOINT_PARAMETER]: endpoint.shown } };
    const decision = { ...judged.decision, ...stricterOf(judged.decision, arrived.decision) };
    const recorded = {
      ...judged.recorded,
      parameters: { ...judged.recorded.parameters, target: endpoint.words },
    };
    const parameters = encoded(cluster, catalogue, asked);
    return { ...passing, ...judged, decision, recorded, parameters, endpoint, isBefore: false };
  }

  async #judge(passing: Passing, catalogue: Catalogue, among: Among = {}): Promise<Judged> {
    const { bulk, made = passing.made, known } = among;
    const { policy, readOnly } = this.#options;
    const { cluster, origin, request } = passing;
    const { method, data } = request;
    const path = request.path.toString();
    const { risks, reasons } = riskOfRequest(catalogue, request);
    const isNeeded = policy.needsGuest(origin.principal) || request.expectName !== undefined;
    const guests = await guestFacts(cluster, { method, path, data }, isNeeded, origin.signal, {
      made,
      ...(known === undefined ? {} : { known }),
    });
    const asked = { method, path, risks, reasons, guests, parameters: data, bulk };
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
    return { decision, guests, risks, reasons, recorded };
  }

  /** Runs a check that comes behind the policy's yes; what it refuses is recorded as refused, too. */
  async #orRefused<T>(recorded: RecordedCall, check: () => Promise<T>): Promise<T> {
    try {
      return await check();
    } catch (error) {
      const refused = lateRefusal(recorded, error);
      if (refused !== undefined) await this.#record.refused(refused, toCallError(error).code);
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

  /** One approval for all steps, before the first of them leaves. */
  async #approve(
    steps: readonly Step[],
    grants: readonly Grant[] = [],
    options: ApproveOptions = {},
  ): Promise<Approved | undefined> {
    const kind = kindOf(steps, options);
    const grant = grants.find((one) => one.take(steps.map(singleBinding), kind));
    if (grant !== undefined) return grant.approved;
    const main = steps.at(-1);
    if (kind === 'none' || main === undefined) return undefined;
    const { cluster, origin, recorded } = main;
    const { approvals, audit, policy, redaction, clock } = this.#options;
    const { principal, tool, signal, ask } = origin;
    const paths = steps.map(({ request }) => request.path.toString());
    const named = steps.flatMap(({ guests }) => guests.named);
    return this.#orRefused(recorded, async () => {
      const isOfGuests = named.length > 0 || paths.some((path) => guestInPath(path) !== undefined);
      const now = isOfGuests ? (await cluster.inventory({ fresh: true, signal })).guests : [];
      const guestDigest = await guestDigestOf(named, now, cluster, signal);
      const made = madeBy(steps);
      for (const path of paths) {
        const vmid = guestInPath(path);
        if (vmid === undefined || !made.has(vmid)) checkGuest(cluster.name, path, now);
      }
      const calls = describedCalls(steps);
      const catalogue = await cluster.catalogue(signal);
      return approvals.require(
        {
          principal,
          tool,
          cluster: cluster.name,
          kind,
          calls: steps.map(({ request, endpoint }) => ({
            method: request.method,
            path: request.path.toString(),
            parameters: {
              ...plannedParameters(catalogue, request, redaction),
              ...(endpoint === undefined ? {} : { target: endpoint.words }),
            },
          })),
          about: calls.map(({ method, path }) => aboutOf(method, path.toString())).join('\n'),
          binding: bindingOfSteps(cluster, steps),
          guestDigest,
          handle: origin.planHandle,
          describe: async () => {
            const hasSnapshot = steps.some(({ isBefore }) => isBefore);
            const tenant = policy.tenantOf(principal);
            const about = { signal, tool, now: clock(), hasSnapshot };
            const facts = await describeFor(tenant, cluster, calls, about);
            return { ...facts, warnings: [...(options.notes ?? []), ...facts.warnings] };
          },
          onDecision: audit && ((plan) => recordDecision(audit, plan, { ...origin, isAtClient: true })),
          signal,
        },
        // A caller that can read its own token can answer its own client's questions.
        steps.every(({ decision }) => decision.atClient) ? ask : undefined,
      );
    });
  }

  /** Lets this tool call read what its approved call began, as long as it runs. */
  #cover(step: Step, catalogue: Catalogue, approved: Approved, { data }: ProxmoxReply): void {
    const { cluster, request, grants, decision } = step;
    const next = grants && followUpOf(request, data);
    if (next === undefined) return;
    const { method, path } = next;
    let parameters: Parameters;
    try {
      parameters = encoded(cluster, catalogue, next);
    } catch {
      // It is refused when it is asked: the call before it was made, and its answer has to come.
      return;
    }
    const binding = bindingOf(cluster.name, [{ method, path: path.wire, parameters }]);
    grants?.push(new Grant(approved, [binding], decision.approval));
  }

  async #send(
    { cluster, origin, request, recorded, parameters: open, endpoint }: Step,
    approved: Approved | undefined,
  ): Promise<ProxmoxReply> {
    const { method, path, deadlineMs } = request;
    const parameters =
      endpoint === undefined ? open : { ...open, [ENDPOINT_PARAMETER]: endpoint.whole.reveal() };
    const log = this.#log(origin).child({
      cluster: cluster.name,
      method,
      path: recorded.path,
    });
    const approval = approved === undefined ? {} : { approval: `plan ${approved.number} by ${approved.by}` };
    const entry = await this.#record.begin({ ...recorded, ...approval }, log);
    try {
      const signal = request.signal ?? origin.signal;
      const limits = { signal, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
      const reply =
        request.file === undefined
          ? await cluster.send({ method, path, parameters, ...limits })
          : await cluster.upload({ ...uploadOf(path, parameters, request.file), ...limits });
      for (const job of startedJobs(recorded, origin.principal, entry, reply.data)) {
        this.#options.jobs.started(job);
      }
      await entry.end({ endpoint: reply.endpoint, data: reply.data });
      await this.#noteTask(recorded, reply);
      return reply;
    } catch (thrown) {
      const error = endpoint === undefined ? thrown : withoutEndpoint(thrown, endpoint);
      await entry.end({ failure: error, isCancelled: origin.signal.aborted });
      throw error;
    } finally {
      // Also where it failed: a write that timed out may have been carried out.
      if (method !== 'GET') cluster.changed();
    }
  }

  /** Who asks how a task of this service is may see its end before the service does. */
  async #noteTask({ cluster, method, path }: RecordedCall, { data }: ProxmoxReply): Promise<void> {
    const [, upid] = method === 'GET' ? (TASK_STATUS.exec(path) ?? []) : [];
    const exitStatus = upid === undefined ? undefined : exitStatusOf(data);
    if (upid === undefined || exitStatus === undefined) return;
    await this.#options.jobs.ended({ cluster, upid }, exitStatus);
  }

  async #ofTenant({ cluster, origin, request }: Passing, reply: ProxmoxReply): Promise<ProxmoxReply> {
    const tenant = this.#options.policy.tenantOf(origin.principal);
    if (tenant === undefined || request.method !== 'GET') return reply;
    const { guests } = await cluster.inventory({ signal: origin.signal });
    const visible = visibleVmids(guests, tenant);
    return tenantAnswer({ method: request.method, path: request.path.toString(), tenant, visible }, reply);
  }
}

/** The parameters as Proxmox takes them. @throws CallError as `verified` does */
function encoded(cluster: Cluster, catalogue: Catalogue, request: AskedCall): Parameters {
  return cluster.config.validate ? verified(catalogue, request) : toParameters(request.data);
}

/** What calls need together, and at least what their tool asks for. */
function kindOf(steps: readonly Step[], { atLeast }: ApproveOptions): Approval {
  return strictest([atLeast ?? 'none', ...steps.map(({ decision }) => decision.approval)]);
}

/** What holds of a call that two clusters judge. */
function stricterOf(one: Decision, other: Decision): Pick<Decision, 'approval' | 'atClient'> {
  return {
    approval: strictest([one.approval, other.approval]),
    atClient: one.atClient && other.atClient,
  };
}
