import type { Logger } from 'pino';
import { type Observer, UNOBSERVED } from '../../observability/observer.ts';
import type { Redaction } from '../../observability/redaction.ts';
import type { Ending } from '../../proxmox/ending.ts';
import { CallError } from '../../proxmox/errors.ts';
import { hasScope, type Principal } from '../principal.ts';
import type { State } from '../state.ts';
import {
  type ApprovalKind,
  ApprovalRequiredError,
  AT_CLIENT,
  DeclinedError,
  type Plan,
  type PlanFacts,
  type PlannedCall,
  type ShownPlan,
} from './plan.ts';
import { type Bound, LIFETIME_MS, PlanStore, type StoredPlan } from './store.ts';
import { line, planText, quoted } from './words.ts';

/**
 * What the person at the caller's client says to a plan. `asked`: the door puts the question once the call has
 * returned, and repeats the call with the decision. `undecided`: it was asked, and nobody answered. `unavailable`: the
 * client has no way to ask.
 */
export type PersonsAnswer = 'approved' | 'declined' | 'asked' | 'undecided' | 'unavailable';
export type AskPerson = (plan: Plan) => PersonsAnswer | Promise<PersonsAnswer>;

export interface ApprovalRequest {
  principal: Principal;
  tool: string;
  cluster: string;
  kind: ApprovalKind;
  /** As people are shown them: secret values redacted. */
  calls: readonly PlannedCall[];
  /** `aboutOf` the call: what a no holds for, beyond exactly these calls. */
  about: string;
  /** `bindingOf` the calls as they will be sent. */
  binding: string;
  /** Of the guest's configuration now, so that a plan does not outlive what it was made for. */
  guestDigest?: string | undefined;
  /** What the caller was given with the plan. */
  handle?: string | undefined;
  /** What the plan warns of whatever `describe` finds out, and before it. */
  notes?: readonly string[] | undefined;
  /** Finds out what a person has to know; what it throws is a warning of the plan. */
  describe(): Promise<PlanFacts>;
  /** Hears of a decision that the person at the caller's client took, once it stands; must not throw. */
  onDecision?: ((plan: Plan) => Promise<void>) | undefined;
  signal: Ending;
}

/** Who approved a call, and by which plan: for the audit. */
export interface Approved {
  by: string;
  number: number;
}

export interface ApprovalsOptions {
  state: State;
  logger: Logger;
  /** That of the process: what it takes for a secret is in no plan. */
  redaction: Redaction;
  /** Counts what becomes of plans; nobody does where absent. */
  observer?: Observer | undefined;
  /** Epoch milliseconds; that of the state where absent. */
  clock?: () => number;
}

/** In characters of JSON; a bulk beyond it has to be split. */
const LARGEST_PLAN = 256 * 1024;
const LONGEST_REASON = 500;
const LONGEST_HANDLE = 128;
const CALLS_IN_MESSAGE = 20;

/**
 * Plan, approve, apply. A call that needs an approval becomes a plan, and goes through only once that plan was
 * approved by whom the policy says. No tool reaches `decide`; a caller alone can apply only what is `self`.
 */
export class Approvals {
  readonly #state: State;
  readonly #store: PlanStore;
  readonly #logger: Logger;
  readonly #redaction: Redaction;
  readonly #observer: Observer;
  readonly #clock: () => number;

  constructor({
    state,
    logger,
    redaction,
    observer = UNOBSERVED,
    clock = () => state.now(),
  }: ApprovalsOptions) {
    this.#observer = observer;
    this.#state = state;
    this.#store = new PlanStore(state, clock);
    this.#logger = logger;
    this.#redaction = redaction;
    this.#clock = clock;
  }

  /** What signs the state that a client is given with a question and brings back with the answer. */
  stateKey(): Promise<Uint8Array> {
    return this.#store.key();
  }

  /**
   * Lets a call through that has its approval, and uses the approval up.
   *
   * @param ask puts a plan to the person at the caller's client; undefined where there is no way to
   * @throws CallError APPROVAL_REQUIRED with the plan (ApprovalRequiredError); POLICY_DENIED where it was declined;
   *   RATE_LIMITED where too many plans of this principal wait; INVALID_ARGUMENTS where the plan is too large; INTERNAL
   *   where replicas share the approvals and Redis does not answer.
   */
  async require(request: ApprovalRequest, ask: AskPerson | undefined): Promise<Approved> {
    const { principal, kind, cluster, binding, guestDigest = '' } = request;
    const bound = { principal, kind, cluster, binding, guestDigest };
    // The plan, or a no to it, may be a moment old and of another replica.
    await this.#state.refresh();
    return kind === 'self' ? this.#self(request, bound) : this.#other(request, bound, ask);
  }

  /** How many plans are kept, by state; for who watches the service. */
  counts(): Readonly<Record<Plan['state'], number>> {
    return this.#store.counts();
  }

  /** Plans that wait for an approver. @throws CallError POLICY_DENIED without the scope */
  async waiting(approver: Principal): Promise<Plan[]> {
    requireApprover(approver);
    await this.#latest();
    return this.#store.waiting();
  }

  /** One plan that is, or was, to be approved. @throws CallError POLICY_DENIED, NOT_FOUND */
  async show(number: number, approver: Principal): Promise<Plan> {
    requireApprover(approver);
    await this.#latest();
    const plan = this.#store.ofNumber(number);
    if (!plan || plan.kind === 'self' || plan.state === 'expired') throw unknownPlan(number);
    return plan;
  }

  /**
   * Records what an approver decided, who shows a credential of their own for it.
   *
   * @throws CallError POLICY_DENIED without the scope, or where the approver is who asked; NOT_FOUND for no such plan,
   *   or an expired one; CONFLICT for one that is used or decided.
   */
  async decide(
    number: number,
    approver: Principal,
    decision: 'approved' | 'denied',
    reason?: string,
  ): Promise<Plan> {
    requireApprover(approver);
    const why =
      reason === undefined
        ? undefined
        : line(this.#redaction.text(reason)).slice(0, LONGEST_REASON).toWellFormed();
    const plan = await this.#store.decide(number, approver, decision, why);
    if (!plan) throw this.#undecidable(number, approver);
    this.#log(plan, decision, { approver: approver.subject, credential: approver.credential });
    return plan;
  }

  /**
   * Waits for what other replicas have just told their callers to have approved. Where Redis does not answer, what is known
   * is shown: to decide on it is refused.
   */
  async #latest(): Promise<void> {
    await this.#state.refresh().catch(() => undefined);
  }

  async #self(request: ApprovalRequest, bound: Bound): Promise<Approved> {
    const { handle } = request;
    this.#notDeclined(request);
    const used = isHandle(handle) ? await this.#store.consumeByHandle(handle, bound) : undefined;
    if (used) return this.#granted(used, 'self');
    const { plan, handle: given } = await this.#newPlan(request, bound);
    const why = handle === undefined ? '' : `${this.#whyNot(handle, bound, plan)} This is a new plan. `;
    throw this.#required(
      plan,
      {
        message: `${why}Nothing was sent: look at the plan first.`,
        hint: `If the plan is what the user wants, repeat exactly this call with the handle ${given} within ${minutes(LIFETIME_MS)} minutes; it works once.`,
      },
      given,
    );
  }

  async #other(request: ApprovalRequest, bound: Bound, ask: AskPerson | undefined): Promise<Approved> {
    const known = this.#store.find(bound);
    if (known?.state === 'denied') throw this.#declined(known);
    if (known?.state === 'approved') {
      const used = await this.#store.consumeApproved(known.number, bound);
      if (used) return this.#granted(used, used.approver ?? 'an approver');
    }
    // Behind the yes to exactly these calls, which stands.
    this.#notDeclined(request);
    const changed = await this.#store.supersede(bound);
    const plan = known?.state === 'pending' ? known : (await this.#newPlan(request, bound)).plan;
    const why = this.#preface(request, bound, plan, changed);
    if (request.kind === 'second' || ask === undefined) throw this.#unapproved(plan, why, 'unavailable');
    const answer = await ask(plan);
    if (answer === 'declined') {
      const denied = await this.#store.decideAtClient(plan.number, bound, 'denied');
      if (denied) await request.onDecision?.(denied);
      this.#log(plan, 'denied', { approver: AT_CLIENT });
      throw this.#declined({ ...plan, approver: AT_CLIENT });
    }
    if (answer !== 'approved') throw this.#unapproved(plan, why, answer);
    const used = await this.#store.decideAtClient(plan.number, bound, 'used');
    if (used) {
      await request.onDecision?.(used);
      return this.#granted(used, AT_CLIENT);
    }
    throw this.#unapproved(plan, `Plan ${plan.number} was used or has expired meanwhile. `, 'undecided');
  }

  /** @throws CallError POLICY_DENIED where a person said no to the same, in whatever words */
  #notDeclined({ principal, cluster, about }: ApprovalRequest): void {
    const denied = this.#store.findDenied(principal, cluster, about);
    if (denied) throw this.#declined(denied);
  }

  async #newPlan(request: ApprovalRequest, bound: Bound): Promise<{ plan: StoredPlan; handle: string }> {
    const { tool, about, notes = [], signal } = request;
    const calls = this.#redaction.value(request.calls) as PlannedCall[];
    if (JSON.stringify(calls).length > LARGEST_PLAN) {
      throw new CallError('INVALID_ARGUMENTS', 'The plan is too large to be judged; nothing was sent.', {
        cluster: bound.cluster,
        hint: 'Split it into several smaller calls.',
      });
    }
    const found = await request.describe().catch(() => NOTHING_KNOWN);
    signal.throwIfAborted();
    const warnings = [...notes, ...found.warnings];
    const facts = this.#redaction.value({ ...found, warnings }) as PlanFacts;
    const added = await this.#store.add({ ...bound, tool, about, calls, facts });
    if (added) {
      this.#log(added.plan, 'made');
      return added;
    }
    throw new CallError('RATE_LIMITED', 'Too many plans of this principal wait already; nothing was sent.', {
      cluster: bound.cluster,
      hint: `Apply the ones that are wanted; the others expire within ${minutes(LIFETIME_MS)} minutes.`,
    });
  }

  /** Why a handle does not fit. A handle of another principal is one that does not exist. */
  #whyNot(handle: string, bound: Bound, now: StoredPlan): string {
    const plan = isHandle(handle) ? this.#store.ofHandle(handle, bound.principal) : undefined;
    if (!plan) return 'This handle is not known.';
    const { number } = plan;
    if (plan.state === 'used') return `The handle of plan ${number} was used already: each works once.`;
    if (plan.state === 'expired')
      return `Plan ${number} has expired: a handle lives ${minutes(LIFETIME_MS)} minutes.`;
    if (plan.kind !== bound.kind) return `Plan ${number} was for another kind of approval.`;
    if (plan.binding !== bound.binding || plan.cluster !== bound.cluster)
      return `The handle is for other calls (plan ${number}).`;
    return `The guest has changed since plan ${number}: ${changes(plan, now)}.`;
  }

  #preface(
    request: ApprovalRequest,
    bound: Bound,
    plan: StoredPlan,
    changed: StoredPlan | undefined,
  ): string {
    if (changed) return `The guest has changed since plan ${changed.number}: ${changes(changed, plan)}. `;
    if (request.handle === undefined) return '';
    const meant = isHandle(request.handle)
      ? this.#store.ofHandle(request.handle, bound.principal)
      : undefined;
    return meant?.number === plan.number ? '' : `${this.#whyNot(request.handle, bound, plan)} `;
  }

  #unapproved(
    plan: StoredPlan,
    why: string,
    answer: Exclude<PersonsAnswer, 'approved' | 'declined'>,
  ): CallError {
    const { number, kind } = plan;
    const who =
      kind === 'second'
        ? `somebody other than ${quoted(plan.subject)}, whose token holds proxmox:approve`
        : 'a person whose token holds proxmox:approve';
    const asked = answer === 'undecided' ? 'The person at the client was asked and did not decide. ' : '';
    return this.#required(plan, {
      message: `${why}${asked}Nothing was sent: plan ${number} must be approved first, by ${who}.`,
      hint: `Show the user the plan and its number ${number}. It is approved with: proxmox-mcp approvals approve ${number} — within ${minutes(plan.expiresAt - this.#clock())} minutes. Then repeat exactly this call, which goes through once. No tool can approve it.`,
    });
  }

  #required(plan: StoredPlan, words: { message: string; hint: string }, handle?: string): CallError {
    const text = planText(plan, { now: this.#clock(), mostCalls: CALLS_IN_MESSAGE });
    return new ApprovalRequiredError(`${words.message}\n${text}`, {
      hint: words.hint,
      cluster: plan.cluster,
      plan: shown(plan, handle),
    });
  }

  #declined({ number, approver, reason, cluster, expiresAt }: StoredPlan): CallError {
    const who = approver === undefined ? 'A person' : line(approver);
    const because = reason === undefined ? '' : `, saying ${quoted(reason)}`;
    return new DeclinedError(`${who} declined plan ${number}${because}; nothing was sent.`, {
      cluster,
      number,
      by: who,
      hint: `Do not look for another way to the same end: ask the user what they want instead. The same call, with whatever parameters, is refused for ${minutes(expiresAt - this.#clock())} minutes.`,
    });
  }

  #undecidable(number: number, approver: Principal): CallError {
    const plan = this.#store.ofNumber(number);
    if (!plan || plan.kind === 'self' || plan.state === 'expired') return unknownPlan(number);
    if (plan.state !== 'pending') {
      return new CallError('CONFLICT', `Plan ${number} is ${plan.state} already.`, {
        hint: 'Each plan is decided once. Ask for the call again if it is still wanted.',
        retryable: false,
      });
    }
    const own = plan.credential === approver.credential ? 'This credential asked for' : 'You asked for';
    return new CallError('POLICY_DENIED', `${own} plan ${number}, and may not approve it.`, {
      hint:
        plan.kind === 'second'
          ? 'Somebody else whose token holds proxmox:approve has to.'
          : 'Use a credential that no agent holds.',
    });
  }

  #granted(plan: StoredPlan, by: string): Approved {
    this.#log(plan, 'applied', { approver: by });
    return { by, number: plan.number };
  }

  #log(
    { number, kind, cluster, tool, subject }: Plan,
    event: 'made' | 'approved' | 'denied' | 'applied',
    more: object = {},
  ): void {
    this.#observer.planChanged(event);
    this.#logger.info({ plan: number, approval: kind, cluster, tool, subject, ...more }, `plan ${event}`);
  }
}

const NOTHING_KNOWN: PlanFacts = {
  guests: [],
  lost: [],
  dependents: [],
  undo: 'Not known: take it that it can not be undone.',
  warnings: ['What these calls are about could not be found out.'],
};

/** @throws CallError POLICY_DENIED; proxmox:admin does not hold this scope */
function requireApprover(approver: Principal): void {
  if (hasScope(approver, 'proxmox:approve')) return;
  throw new CallError('POLICY_DENIED', 'This token does not hold proxmox:approve.', {
    hint: 'Use an approver’s own token: proxmox:admin does not include the scope, and an agent must not have it.',
  });
}

function unknownPlan(number: number): CallError {
  return new CallError('NOT_FOUND', `No plan ${number} waits for an approval.`, {
    hint: 'See which ones do with: proxmox-mcp approvals list',
  });
}

function shown(plan: StoredPlan, handle: string | undefined): ShownPlan {
  const { number, kind, calls, facts, expiresAt } = plan;
  return {
    number,
    approval: kind,
    ...(handle === undefined ? {} : { handle }),
    expires_at: new Date(expiresAt).toISOString(),
    calls,
    ...facts,
  };
}

function isHandle(handle: string | undefined): handle is string {
  return handle !== undefined && handle.length > 0 && handle.length <= LONGEST_HANDLE;
}

/** What is another than it was, as far as the plans show it. */
function changes({ facts: before }: Plan, { facts: after }: Plan): string {
  const seen = after.guests.flatMap((guest) => {
    const old = before.guests.find(({ type, vmid }) => type === guest.type && vmid === guest.vmid);
    if (!old) return [];
    const fields = ['name', 'node', 'status', 'protected', 'template', 'pool', 'tags', 'snapshots'] as const;
    return fields
      .filter((field) => JSON.stringify(old[field]) !== JSON.stringify(guest[field]))
      .map((field) => `its ${field} was ${said(old[field])} and is ${said(guest[field])}`);
  });
  return seen.length === 0 ? 'its configuration is another one' : seen.join('; ');
}

function said(value: unknown): string {
  if (value === undefined) return 'not there';
  return quoted(Array.isArray(value) ? value.join(', ') : String(value));
}

function minutes(milliseconds: number): number {
  return Math.max(1, Math.ceil(milliseconds / 60_000));
}
