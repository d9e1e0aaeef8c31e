import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Approval } from '../config/policy-schema.ts';
import type { ApprovalRequest, Approved } from './approvals/approvals.ts';
import { recordDecision } from './approvals/decision-record.ts';
import { aboutOf, type PlannedCall } from './approvals/plan.ts';
import type { Grant } from './grant.ts';
import { guestInPath } from './guest-path.ts';
import type { Judging } from './judging.ts';
import { checkGuest } from './late-checks.ts';
import type { PassageOptions } from './passage.ts';
import { describeFor, guestDigestOf } from './plan-reads.ts';
import { strictest } from './policy/decision.ts';
import { plannedParameters } from './shown-parameters.ts';
import { bindingOfSteps, describedCalls, madeBy, type Step, singleBinding } from './steps.ts';

/** What a tool says of the calls that it has approved together. */
export interface ApproveOptions {
  /** What a person has to know that the calls don't say; stands first among the plan's warnings. No part of what is bound. */
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

/** Finds the approval that steps need: one that the tool call has already, or that of a plan. */
export class Approving {
  readonly #options: PassageOptions;
  readonly #judging: Judging;

  constructor(options: PassageOptions, judging: Judging) {
    this.#options = options;
    this.#judging = judging;
  }

  /**
   * One approval for all steps, before the first of them leaves.
   *
   * @returns undefined where none of them needs one
   * @throws CallError as `Approvals.require` does; NOT_FOUND for a guest that is not there
   */
  async take(
    steps: readonly Step[],
    grants: readonly Grant[] = [],
    options: ApproveOptions = {},
  ): Promise<Approved | undefined> {
    const kind = kindOf(steps, options);
    const grant = grants.find((one) => one.take(steps.map(singleBinding), kind));
    if (grant !== undefined) return grant.approved;
    const main = steps.at(-1);
    if (kind === 'none' || main === undefined) return undefined;
    return this.#judging.orRefused(main.recorded, async () => {
      const { ask } = main.origin;
      const request = await this.#request(steps, main, kind, options.notes);
      // A caller that can read its own token can answer its own client's questions.
      return this.#options.approvals.require(
        request,
        steps.every(({ decision }) => decision.atClient) ? ask : undefined,
      );
    });
  }

  async #request(
    steps: readonly Step[],
    { cluster, origin }: Step,
    kind: ApprovalRequest['kind'],
    notes?: readonly string[],
  ): Promise<ApprovalRequest> {
    const { audit, policy, clock } = this.#options;
    const { principal, tool, signal } = origin;
    const calls = describedCalls(steps);
    const guestDigest = await presentGuests(steps);
    const catalogue = await cluster.catalogue(signal);
    return {
      principal,
      tool,
      cluster: cluster.name,
      kind,
      calls: steps.map((step) => this.#planned(step, catalogue)),
      about: calls.map(({ method, path }) => aboutOf(method, path.toString())).join('\n'),
      binding: bindingOfSteps(cluster, steps),
      guestDigest,
      handle: origin.planHandle,
      notes,
      describe: () => {
        const hasSnapshot = steps.some(({ isBefore }) => isBefore);
        const about = { signal, tool, now: clock(), hasSnapshot };
        return describeFor(policy.tenantOf(principal), cluster, calls, about);
      },
      onDecision: audit && ((plan) => recordDecision(audit, plan, { ...origin, isAtClient: true })),
      signal,
    };
  }

  #planned({ request, endpoint }: Step, catalogue: Catalogue): PlannedCall {
    const parameters = plannedParameters(catalogue, request, this.#options.redaction);
    return {
      method: request.method,
      path: request.path.toString(),
      parameters: endpoint === undefined ? parameters : { ...parameters, target: endpoint.words },
    };
  }
}

/** What calls need together, and at least what their tool asks for. */
export function kindOf(steps: readonly Step[], { atLeast }: ApproveOptions = {}): Approval {
  return strictest([atLeast ?? 'none', ...steps.map(({ decision }) => decision.approval)]);
}

/**
 * What the guests of steps to one cluster are now.
 *
 * @returns as `guestDigestOf`
 * @throws CallError NOT_FOUND where one is not there, and none of the steps makes it
 */
async function presentGuests(steps: readonly Step[]): Promise<string | undefined> {
  const [first] = steps;
  const named = steps.flatMap(({ guests }) => guests.named);
  const paths = steps.map(({ request }) => request.path.toString());
  const isOfGuests = named.length > 0 || paths.some((path) => guestInPath(path) !== undefined);
  if (first === undefined || !isOfGuests) return undefined;
  const { cluster, origin } = first;
  const now = (await cluster.inventory({ fresh: true, signal: origin.signal })).guests;
  const digest = await guestDigestOf(named, now, cluster, origin.signal);
  const made = madeBy(steps);
  for (const path of paths) {
    const vmid = guestInPath(path);
    if (vmid === undefined || !made.has(vmid)) checkGuest(cluster.name, path, now);
  }
  return digest;
}
