import type { Risk } from '../catalogue/types.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { Parameters } from '../proxmox/call.ts';
import type { DescribedCall } from './approvals/describe.ts';
import { bindingOf } from './approvals/plan.ts';
import type { CallOrigin, GateRequest } from './gate.ts';
import type { Grant } from './grant.ts';
import type { Companions } from './guest-facts.ts';
import { guestInPath } from './guest-path.ts';
import { guestsOf, type TouchedGuests } from './policy/guests.ts';
import type { Decision, GuestFacts } from './policy/policy.ts';
import type { RecordedCall } from './record.ts';
import type { RemoteEndpoint } from './remote-endpoint.ts';

/** A call on its way to a cluster, and why it goes to that one. */
export interface Passing {
  cluster: Cluster;
  selectedBy: string;
  matched?: string | undefined;
  origin: CallOrigin;
  request: GateRequest;
  /** Where the guest goes that leaves its cluster with this call. */
  remote?: Arriving | undefined;
  /** Approvals that this tool call has for several of its calls, and for what follows from one. */
  grants?: Grant[];
  /** Guests that this tool call made, as they were judged. */
  made?: Map<number, GuestFacts> | undefined;
}

/** The node of another cluster that a guest comes to. */
export interface Arriving {
  target: Cluster;
  node: string;
}

/** What is known of a call once it has been judged. */
export interface Judged {
  decision: Decision;
  guests: TouchedGuests;
  risks: readonly Risk[];
  reasons: readonly string[];
  recorded: RecordedCall;
  /** The path of the method without its values; known only where the call is traced. */
  template?: string | undefined;
}

/** A request that is ready to be sent: the call itself, or a snapshot before it. */
export interface Step extends Passing, Judged {
  parameters: Parameters;
  /** The snapshot that another call asks for. */
  isBefore: boolean;
  /** Of `remote`; its secret is added when the call is sent. */
  endpoint?: RemoteEndpoint;
}

/** What calls that are approved together know of each other. */
export interface Among extends Companions {
  /** How many guests they are about. */
  bulk?: number;
}

/** The guests that a call counts for in a bulk: those that its parameters list, as in one call alone, or its path's. */
export function bulkGuests({ method, path, data }: GateRequest): readonly number[] {
  const { vmids, listed } = guestsOf({ method, path: path.toString(), data });
  if (method !== 'GET' && listed !== undefined) return vmids;
  const vmid = guestInPath(path.toString());
  return vmid === undefined ? [] : [vmid];
}

/** The guests that calls make: for those behind them they are there. */
export function madeBy(steps: readonly Step[]): ReadonlyMap<number, GuestFacts> {
  return new Map(
    steps.flatMap(({ guests: { creates } }) => (creates === undefined ? [] : [[creates.vmid, creates]])),
  );
}

/** What a plan tells of: a snapshot that is taken first loses nothing, and is seen among the calls. */
export function describedCalls(steps: readonly Step[]): DescribedCall[] {
  return steps
    .filter(({ isBefore }) => !isBefore)
    .map(({ request: { method, path }, parameters, risks, reasons }) => {
      return { method, path, parameters, risks, reasons };
    });
}

/** `bindingOf` steps, as one approval for all of them is bound to. */
export function bindingOfSteps(cluster: Cluster, steps: readonly Step[]): string {
  return bindingOf(
    cluster.name,
    steps.map(({ request: { method, path }, parameters, endpoint }) => {
      const target = endpoint === undefined ? {} : { target: endpoint.words };
      return { method, path: path.wire, parameters: { ...parameters, ...target } };
    }),
  );
}

/** The same for one alone. */
export function singleBinding(step: Step): string {
  return bindingOfSteps(step.cluster, [step]);
}
