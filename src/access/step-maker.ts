import type { Catalogue } from '../catalogue/catalogue.ts';
import { knownGuests } from './guest-facts.ts';
import { guestInPath } from './guest-path.ts';
import type { Judging } from './judging.ts';
import { strictest } from './policy/decision.ts';
import type { Decision } from './policy/policy.ts';
import { arrivalOf, ENDPOINT_PARAMETER, refuseGivenEndpoint, remoteEndpoint } from './remote-endpoint.ts';
import { withoutGiven } from './shown-parameters.ts';
import { snapshotBefore } from './snapshot-first.ts';
import { type Among, type Arriving, bulkGuests, madeBy, type Passing, type Step } from './steps.ts';
import { encodedFor } from './verification.ts';

/** The call itself, and the snapshot that it asks for before. */
export interface StepPair {
  before?: Step;
  main: Step;
}

/** Makes steps of calls: judged by the policy, and with their parameters as Proxmox takes them. */
export class StepMaker {
  readonly #judging: Judging;

  constructor(judging: Judging) {
    this.#judging = judging;
  }

  /** @throws CallError before anything is sent; secrets of the call may be in it */
  async of(passing: Passing, catalogue: Catalogue, among?: Among): Promise<StepPair> {
    const snapshot = snapshotBefore(passing.request);
    const ofSnapshot = snapshot && { ...passing, request: snapshot, remote: undefined };
    const before = ofSnapshot && (await this.#step(ofSnapshot, catalogue, among));
    const main = await this.#step(passing, catalogue, among);
    return before === undefined ? { main } : { before: { ...before, isBefore: true }, main };
  }

  /**
   * The steps of calls that belong together.
   *
   * @param passings all to one cluster; calls to several guests count as one bulk
   * @throws CallError before anything is sent; secrets of the calls are not in it
   */
  async together(passings: readonly Passing[]): Promise<Step[]> {
    const [first] = passings;
    if (first === undefined) return [];
    for (const { request } of passings) refuseGivenEndpoint(request);
    const { cluster, origin } = first;
    const catalogue = await cluster.catalogue(origin.signal);
    const bulk = Math.max(1, new Set(passings.flatMap(({ request }) => bulkGuests(request))).size);
    let asked: ReturnType<typeof knownGuests> | undefined;
    const known = () => (asked ??= knownGuests(cluster, true, origin.signal));
    const made = new Map(first.made);
    const steps: Step[] = [];
    for (const passing of passings) {
      const { before, main } = await this.of(passing, catalogue, { bulk, made, known }).catch(
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

  async #step(passing: Passing, catalogue: Catalogue, among?: Among): Promise<Step> {
    const { cluster, request, remote } = passing;
    if (remote !== undefined) return this.#remoteStep(passing, remote, catalogue, among);
    const { decision, guests, risks, reasons, recorded, template } = await this.#judging.judge(
      passing,
      catalogue,
      among,
    );
    const parameters = encodedFor(cluster, catalogue, request);
    // By name: to copy a second object into one takes ten times as long, and every call comes by here.
    return { ...passing, decision, guests, risks, reasons, recorded, template, parameters, isBefore: false };
  }

  /** A guest that leaves its cluster is judged twice: here, and as one that is made where it goes. */
  async #remoteStep(
    passing: Passing,
    { target, node }: Arriving,
    catalogue: Catalogue,
    among: Among = {},
  ): Promise<Step> {
    const { cluster, origin, request } = passing;
    const { signal } = origin;
    const judged = await this.#judging.judge(passing, catalogue, among);
    const { bulk, known = () => knownGuests(cluster, true, signal) } = among;
    const guest = (await known())?.get(guestInPath(request.path.toString()) ?? 0);
    const arriving = { cluster: target, selectedBy: 'explicit', origin };
    const arrived = await this.#judging.judge(
      { ...arriving, request: arrivalOf(request, node, guest) },
      await target.catalogue(signal),
      bulk === undefined ? {} : { bulk },
    );
    origin.enter?.(target.name);
    const endpoint = await remoteEndpoint(target, node, signal);
    const asked = { ...request, data: { ...request.data, [ENDPOINT_PARAMETER]: endpoint.shown } };
    const { recorded } = judged;
    return {
      ...passing,
      ...judged,
      decision: { ...judged.decision, ...stricterOf(judged.decision, arrived.decision) },
      recorded: { ...recorded, parameters: { ...recorded.parameters, target: endpoint.words } },
      parameters: encodedFor(cluster, catalogue, asked),
      endpoint,
      isBefore: false,
    };
  }
}

/** What holds of a call that two clusters judge. */
function stricterOf(one: Decision, other: Decision): Pick<Decision, 'approval' | 'atClient'> {
  return {
    approval: strictest([one.approval, other.approval]),
    atClient: one.atClient && other.atClient,
  };
}
