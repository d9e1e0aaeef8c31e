import type { Logger } from 'pino';
import type { Proxmox } from 'proxmox-api';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions, PrivilegeNeed } from '../catalogue/permissions.ts';
import type { Cluster, ClusterHealth, SelectedBy, Selection } from '../clusters/cluster.ts';
import type { Backups, Inventory } from '../clusters/inventory.ts';
import type { PrivilegeReport, Problem } from '../clusters/privileges.ts';
import type { ClusterConfig } from '../config/config.ts';
import type { Approval } from '../config/policy-schema.ts';
import type { ApiPath } from '../proxmox/api-path.ts';
import type { HttpMethod, ProxmoxReply } from '../proxmox/call.ts';
import type { Ending } from '../proxmox/ending.ts';
import type { EndpointState } from '../proxmox/endpoint-state.ts';
import { CallError } from '../proxmox/errors.ts';
import type { NodeAddress } from '../proxmox/node-link.ts';
import { type AlertSource, type VisibleAlerts, visibleAlerts } from './alerts/sight.ts';
import type { AskPerson } from './approvals/approvals.ts';
import type { ApproveOptions, StandingApproval } from './approving.ts';
import { JudgedCluster } from './gated-cluster.ts';
import { type VisibleJobs, visibleJobs } from './jobs/sight.ts';
import { type Asking, judgeRead, requireRead, SERVICE_READS } from './judge.ts';
import { Passage, type PassageOptions } from './passage.ts';
import type { NamedTenant, UsableTool } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import type { RunBook, Runs } from './runs/runs.ts';
import type { ScheduleBook, Schedules } from './schedules/book.ts';

/** Who calls, through what, and with which limits: made once per tool call by the dispatcher. */
export interface CallOrigin {
  principal: Principal;
  /** Joins the log lines of one tool call. */
  requestId: string;
  tool: string;
  door: string;
  /** Of the client, where its door has sessions. */
  session?: string | undefined;
  /** The request came with X-MCP-Readonly: nothing but GET leaves. */
  readOnly?: boolean | undefined;
  signal: Ending;
  /** Says of each line whose call it belongs to. */
  log?: Logger | undefined;
  /** Takes the call's place on a cluster before it is asked anything. @throws CallError RATE_LIMITED */
  enter?: (cluster: string) => void;
  /** Puts a plan to the person at the client; absent where the client can't. */
  ask?: AskPerson | undefined;
  /** The handle of a plan that this caller may apply itself. */
  planHandle?: string | undefined;
  /** What was approved for a call that the service itself starts; no door sets it. */
  standing?: StandingApproval | undefined;
}

export interface GateRequest {
  method: HttpMethod;
  path: ApiPath;
  /** Parameters as the caller wrote them; `null` and `undefined` members are dropped. */
  data?: Readonly<Record<string, unknown>> | undefined;
  /** Milliseconds for the whole call; the engine's default where absent. */
  deadlineMs?: number | undefined;
  /** Ends the call, in place of the signal of the tool call; has to be made from that one. */
  signal?: Ending | undefined;
  /** The name that the guest of the call must have: a VMID may belong to another guest by now. */
  expectName?: string | undefined;
  /** Where the guest goes that leaves its cluster with this call: the gate adds the endpoint, which holds a secret. */
  remote?: RemoteTarget | undefined;
  /** Name of a snapshot of the guest that has to be there before the call is sent. */
  snapshotFirst?: string | undefined;
  /**
   * The file of an upload to a storage. Its checksum has to be among the parameters: Proxmox stores no other file, so
   * that what was judged and approved is what arrives.
   */
  file?: Uint8Array | undefined;
}

/** The node of another cluster that a guest goes to, judged there as one that is made. */
export interface RemoteTarget {
  to: GatedCluster;
  node: string;
}

/** A cluster as a tool holds it. Every request through it, typed or raw, is judged and recorded. */
export interface GatedCluster {
  readonly name: string;
  readonly selectedBy: SelectedBy;
  /** The pattern or the VMID range that selected it. */
  readonly matched: string | undefined;
  /** The fallback that answered in its place, once it did: the answer has to say so. */
  readonly servedBy: string | undefined;
  /** What the operator says of the cluster; no credential is in it. */
  readonly settings: ClusterSettings;
  /** As whom its tasks name this service: `user@realm`, or `user@realm!token`. */
  readonly account: string;
  /** The typed facade of `proxmox-api` over this gate. */
  readonly api: Proxmox.Api;
  /** The API as this cluster has it; nothing of it is secret, and reading it is no call. */
  catalogue(): Promise<Catalogue>;
  /** What the cluster's token may do, as Proxmox says. @throws CallError */
  permissions(): Promise<EffectivePermissions>;
  /** What of the service's purposes the cluster's token does not suffice for. @throws CallError */
  rights(): Promise<PrivilegeReport>;
  /** What of these privileges its token lacks, with the lines that grant it. @throws CallError */
  lacks(needs: readonly PrivilegeNeed[]): Promise<Problem[]>;
  /** The same cluster with no fallback to answer in its place. */
  alone(): GatedCluster;
  /** Whether it answers, from a probe that is seconds old. @throws CallError POLICY_DENIED, and nothing else */
  health(): Promise<ClusterHealth>;
  /** Its endpoints as the last conversations found them; asks nothing. @throws CallError POLICY_DENIED */
  endpoints(): readonly EndpointState[];
  /** Guests, nodes and storages, at most ten seconds old. @throws CallError */
  inventory(options?: { fresh?: boolean | undefined; signal?: Ending }): Promise<Inventory>;
  /** The newest backup of each guest. @throws CallError */
  backups(options?: { fresh?: boolean | undefined; signal?: Ending }): Promise<Backups>;
  /**
   * Takes one approval for several calls that are about to be made through this object, for a tool that makes more
   * than one: call it before the first. Each may then be made once, exactly so, and is judged again when it is. Calls
   * for several guests count as one bulk.
   *
   * @throws CallError as `request` does before anything is sent
   */
  approve(requests: readonly GateRequest[], options?: ApproveOptions): Promise<void>;
  /**
   * Takes one approval for calls that the service will make by itself, again and again. A guest that is not there yet
   * has to be made by an earlier one of them.
   *
   * @returns what `CallOrigin.standing` takes; undefined where no approval is needed
   * @throws CallError as `approve` does
   */
  approveStanding(
    requests: readonly GateRequest[],
    options?: ApproveOptions,
  ): Promise<StandingApproval | undefined>;
  /** What approval the policy wants for such calls now; asks for none. @throws CallError where one is not allowed */
  approvalFor(requests: readonly GateRequest[]): Promise<Approval>;
  /**
   * Where a guest of another cluster is sent that goes to one of its nodes, and the certificate that it has just shown.
   *
   * @throws CallError as the call that moves it there
   */
  addressOf(node: string): Promise<NodeAddress>;
  /** @throws CallError POLICY_DENIED before anything is sent, or what the cluster answered. */
  request(request: GateRequest): Promise<ProxmoxReply>;
}

export type ClusterSettings = Pick<
  ClusterConfig,
  'defaultNode' | 'defaultStorage' | 'defaultBridge' | 'region' | 'tier' | 'readOnly' | 'fallback' | 'prices'
>;

export interface GateOptions extends PassageOptions {
  runs: RunBook;
  schedules: ScheduleBook;
  /** What was found by watching; nobody watches where absent. */
  alerts?: AlertSource;
}

const UNWATCHED: AlertSource = { active: () => [], hasLookedAt: () => false };

/**
 * The one way from a tool to a cluster. Curated tools and `proxmox_api_call` both stand above it, so that no tool can
 * forget it.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #passage: Passage;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#passage = new Passage(options);
  }

  /** Whether a caller may read anything of a cluster: one that it may not is none of its clusters. */
  sees(cluster: Cluster, asking: Asking): boolean {
    return judgeRead(this.#options, asking, cluster, SERVICE_READS.version).allowed;
  }

  /** @throws CallError POLICY_DENIED with the reason, for a caller who sees none of these clusters */
  requireSight(clusters: readonly Cluster[], asking: Asking): void {
    for (const cluster of clusters) requireRead(this.#options, asking, cluster, SERVICE_READS.version);
  }

  /** Another object once the policy is another one: what was worked out by it then no longer holds. */
  get rules(): object {
    const { policy } = this.#options;
    return policy.rules ?? policy;
  }

  /** Whether a tool is of any use to a principal: one that is not is not listed. */
  mayUse(principal: Principal, tool: UsableTool): boolean {
    return this.#options.policy.mayUse(principal, tool);
  }

  /** What this service started, as far as a caller may know of it. @param clusters those of its door */
  jobs(clusters: readonly Cluster[], asking: Asking): VisibleJobs {
    return visibleJobs(this.#options, asking, clusters);
  }

  /** What was found wrong, as far as a caller may know of it. @param clusters those of its door */
  alerts(clusters: readonly Cluster[], asking: Asking): VisibleAlerts {
    const { alerts = UNWATCHED, policy, readOnly } = this.#options;
    return visibleAlerts({ alerts, policy, readOnly }, asking, clusters);
  }

  /**
   * The tenants that a principal may know of: a tenant itself alone.
   *
   * @throws CallError POLICY_DENIED for who is no tenant and no administrator
   */
  tenants(principal: Principal): readonly NamedTenant[] {
    const known = this.#options.policy.tenantsFor(principal);
    if (known !== undefined) return known;
    throw new CallError('POLICY_DENIED', 'Which tenants there are is for administrators to see.', {
      hint: 'Ask by pool or by tag; nothing was sent.',
    });
  }

  /** The work of several writes that a principal has begun. */
  runs(principal: Principal): Runs {
    return this.#options.runs.of(principal.id);
  }

  /** What a principal has the service do at its time. */
  schedules({ principal, readOnly = false }: Asking): Schedules {
    return this.#options.schedules.of(principal, readOnly || this.#options.readOnly);
  }

  open(selection: Selection, origin: CallOrigin): GatedCluster {
    return new JudgedCluster(selection, origin, this.#options, this.#passage);
  }
}
