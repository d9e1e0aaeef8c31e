import type { Logger } from 'pino';
import { type Proxmox, proxmoxApi } from 'proxmox-api';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { Cluster, ClusterHealth, SelectedBy, Selection } from '../clusters/cluster.ts';
import type { Backups, Inventory } from '../clusters/inventory.ts';
import { judgePrivileges, type PrivilegeReport } from '../clusters/privileges.ts';
import type { ClusterConfig } from '../config/config.ts';
import { type ApiPath, facadePath } from '../proxmox/api-path.ts';
import { HTTP_METHODS, type HttpMethod, type ProxmoxReply } from '../proxmox/call.ts';
import type { EndpointState } from '../proxmox/endpoint-state.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import { ConnectFailure } from '../proxmox/tls.ts';
import type { AskPerson } from './approvals/approvals.ts';
import { type Asking, judge, refusal } from './judge.ts';
import { Passage, type PassageOptions } from './passage.ts';
import type { Decision, UsableTool } from './policy/policy.ts';
import { tenantBackups, tenantInventory, visibleVmids } from './policy/tenant-view.ts';
import type { Principal } from './principal.ts';
import { riskOfRequest } from './verification.ts';

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
  signal: AbortSignal;
  /** Says of each line whose call it belongs to. */
  log?: Logger | undefined;
  /** Takes the call's place on a cluster before it is asked anything. @throws CallError RATE_LIMITED */
  enter?: (cluster: string) => void;
  /** Puts a plan to the person at the client; absent where the client can't. */
  ask?: AskPerson | undefined;
}

export interface GateRequest {
  method: HttpMethod;
  path: ApiPath;
  /** Parameters as the caller wrote them; `null` and `undefined` members are dropped. */
  data?: Readonly<Record<string, unknown>> | undefined;
  /** Milliseconds for the whole call; the engine's default where absent. */
  deadlineMs?: number | undefined;
  /** Ends the call, in place of the signal of the tool call; has to be made from that one. */
  signal?: AbortSignal | undefined;
  /** The handle of a plan that this caller may apply itself. */
  planHandle?: string | undefined;
  /** The name that the guest of the call must have: a VMID may belong to another guest by now. */
  expectName?: string | undefined;
  /** Name of a snapshot of the guest that has to be there before the call is sent. */
  snapshotFirst?: string | undefined;
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
  /** The typed facade of `proxmox-api` over this gate. */
  readonly api: Proxmox.Api;
  /** The API as this cluster has it; nothing of it is secret, and reading it is no call. */
  catalogue(): Promise<Catalogue>;
  /** What the cluster's token may do, as Proxmox says. @throws CallError */
  permissions(): Promise<EffectivePermissions>;
  /** What of the service's purposes the cluster's token does not suffice for. @throws CallError */
  rights(): Promise<PrivilegeReport>;
  /** The same cluster with no fallback to answer in its place. */
  alone(): GatedCluster;
  /** Whether it answers, from a probe that is seconds old. @throws CallError POLICY_DENIED, and nothing else */
  health(): Promise<ClusterHealth>;
  /** Its endpoints as the last conversations found them; asks nothing. @throws CallError POLICY_DENIED */
  endpoints(): readonly EndpointState[];
  /** Guests, nodes and storages, at most ten seconds old. @throws CallError */
  inventory(options?: { fresh?: boolean | undefined; signal?: AbortSignal }): Promise<Inventory>;
  /** The newest backup of each guest. @throws CallError */
  backups(options?: { fresh?: boolean | undefined; signal?: AbortSignal }): Promise<Backups>;
  /** @throws CallError POLICY_DENIED before anything is sent, or what the cluster answered. */
  request(request: GateRequest): Promise<ProxmoxReply>;
}

export type ClusterSettings = Pick<
  ClusterConfig,
  'defaultNode' | 'defaultStorage' | 'defaultBridge' | 'region' | 'tier' | 'readOnly' | 'fallback'
>;

export type GateOptions = PassageOptions;

/** What the service asks on behalf of a caller, for whom it is judged as the same read of its own would be. */
const READS = {
  version: '/version',
  status: '/cluster/status',
  resources: '/cluster/resources',
  permissions: '/access/permissions',
};

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
    return this.#judgeRead(cluster, asking, READS.version).allowed;
  }

  /** @throws CallError POLICY_DENIED with the reason, for a caller who sees none of these clusters */
  requireSight(clusters: readonly Cluster[], asking: Asking): void {
    for (const cluster of clusters) {
      const decision = this.#judgeRead(cluster, asking, READS.version);
      if (!decision.allowed) throw refusal(decision, cluster.name);
    }
  }

  /** Whether a tool is of any use to a principal: one that is not is not listed. */
  mayUse(principal: Principal, tool: UsableTool): boolean {
    return this.#options.policy.mayUse(principal, tool);
  }

  open(selection: Selection, origin: CallOrigin): GatedCluster {
    const { cluster, selectedBy, matched } = selection;
    const served: Served = {};
    const request = (wanted: GateRequest): Promise<ProxmoxReply> =>
      this.#ask(selection, origin, wanted, served);
    const read = <T>(what: (from: Cluster) => Promise<T>): Promise<T> =>
      this.#read(selection, origin, what, served);
    const held = (): Promise<EffectivePermissions> =>
      this.#shown(selection, cluster, origin, READS.permissions, () => cluster.permissions(signal));
    const mayRead = (path: string): Decision => this.#mayRead(cluster, origin, path);
    const { signal } = origin;
    return {
      name: cluster.name,
      selectedBy,
      matched,
      get servedBy() {
        return served.by;
      },
      settings: cluster.config,
      request,
      catalogue: () => cluster.catalogue(signal),
      permissions: held,
      rights: async () => {
        const isReadOnly = this.#options.readOnly || cluster.config.readOnly;
        return judgePrivileges(await held(), cluster.config, isReadOnly);
      },
      alone: () => this.open({ cluster, selectedBy, ...(matched === undefined ? {} : { matched }) }, origin),
      health: async () => {
        mayRead(READS.version);
        return cluster.health(signal);
      },
      endpoints: () => {
        mayRead(READS.status);
        return cluster.endpoints();
      },
      inventory: (options) =>
        read(async (from) => {
          const inventory = await from.inventory({ signal, ...options });
          const tenant = this.#options.policy.tenantOf(origin.principal);
          return tenant === undefined ? inventory : tenantInventory(inventory, tenant);
        }),
      backups: (options) =>
        read(async (from) => {
          const backups = await from.backups({ signal, ...options });
          const tenant = this.#options.policy.tenantOf(origin.principal);
          if (tenant === undefined) return backups;
          const { guests } = await from.inventory({ signal });
          return tenantBackups(backups, visibleVmids(guests, tenant), tenant);
        }),
      get api() {
        return typedFacade(request);
      },
    };
  }

  /** Sends a request; where it only reads and the cluster can't be reached, to the fallback. */
  async #ask(
    { cluster, fallback, selectedBy, matched }: Selection,
    origin: CallOrigin,
    request: GateRequest,
    served: Served,
  ): Promise<ProxmoxReply> {
    const passing = { selectedBy, matched, origin, request };
    try {
      return await this.#passage.pass({ ...passing, cluster });
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (request.method !== 'GET') throw unsent(error, fallback !== undefined);
      if (fallback === undefined || !mayFallBack(request)) throw error;
      const { risks } = riskOfRequest(await fallback.catalogue(origin.signal), request);
      if (risks.some((risk) => risk !== 'read')) throw error;
      return this.#fromFallback(error, fallback, served, () =>
        this.#passage.pass({ ...passing, cluster: fallback, selectedBy: 'fallback' }),
      );
    }
  }

  async #read<T>(
    selection: Selection,
    origin: CallOrigin,
    what: (from: Cluster) => Promise<T>,
    served: Served,
  ): Promise<T> {
    const { cluster, fallback } = selection;
    const shown = (from: Cluster): Promise<T> =>
      this.#shown(selection, from, origin, READS.resources, async () => {
        origin.enter?.(from.name);
        return what(from);
      });
    try {
      return await shown(cluster);
    } catch (error) {
      if (!isUnreachable(error) || fallback === undefined) throw error;
      this.#mayRead(fallback, origin, READS.resources);
      return this.#fromFallback(error, fallback, served, () => shown(fallback));
    }
  }

  /** What the service has read itself is judged and recorded as the same read of the caller's own would be. */
  async #shown<T>(
    { cluster, selectedBy, matched }: Selection,
    from: Cluster,
    origin: CallOrigin,
    path: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const decision = this.#mayRead(from, origin, path);
    const passing = {
      cluster: from,
      selectedBy: from === cluster ? selectedBy : 'fallback',
      matched,
      origin,
    };
    return this.#passage.shown(passing, path, decision, work);
  }

  /** @throws CallError that names both clusters, where the fallback can't serve it either */
  async #fromFallback<T>(
    unreachable: CallError,
    fallback: Cluster,
    served: Served,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      const answer = await work();
      served.by = fallback.name;
      return answer;
    } catch (thrown) {
      const { code, message } = toCallError(thrown);
      throw new CallError(
        unreachable.code,
        `${unreachable.message} Its fallback ${fallback.name} answered ${code}: ${message}`,
        {
          hint: unreachable.hint,
          ...(unreachable.cluster ? { cluster: unreachable.cluster } : {}),
          cause: thrown,
        },
      );
    }
  }

  /** @throws CallError POLICY_DENIED */
  #mayRead(cluster: Cluster, origin: CallOrigin, path: string): Decision {
    const decision = this.#judgeRead(cluster, origin, path);
    if (!decision.allowed) throw refusal(decision, cluster.name);
    return decision;
  }

  #judgeRead(cluster: Cluster, asking: Asking, path: string): Decision {
    const { policy, readOnly } = this.#options;
    const asked = { method: 'GET', path, risks: ['read'], reasons: [] } as const;
    return judge(policy, asking, cluster, readOnly, asked);
  }
}

/** Which fallback answered, once one did. */
interface Served {
  by?: string;
}

function isUnreachable(error: unknown): error is CallError {
  return error instanceof CallError && error.code === 'CLUSTER_UNREACHABLE';
}

/** Tells who wonders whether a write was carried out; `error` itself where more than connecting failed. */
function unsent(error: CallError, hasFallback: boolean): CallError {
  if (!(error.cause instanceof ConnectFailure)) return error;
  const { code, message, hint, cluster, retryable, cause } = error;
  const noFallback = hasFallback ? '; a fallback never takes writes' : '';
  return new CallError(code, `${message} Nothing was sent${noFallback}.`, {
    hint,
    ...(cluster === undefined ? {} : { cluster }),
    retryable,
    cause,
  });
}

/** Writes never; nor what is about a task, which another cluster can't know of. */
function mayFallBack({ method, path }: GateRequest): boolean {
  return method === 'GET' && !/\/tasks(?:\/|$)/.test(path.toString());
}

function typedFacade(request: GatedCluster['request']): Proxmox.Api {
  return proxmoxApi({
    async doRequest(method: string, path: string, _template: string, params?: Record<string, unknown>) {
      const wanted = HTTP_METHODS.find((known) => known === method.toUpperCase());
      if (!wanted) {
        throw new CallError('INTERNAL', `The facade asked for the method ${method}.`, {
          hint: 'Report this: a tool calls something that is not an API method.',
        });
      }
      const reply = await request({ method: wanted, path: facadePath(path), data: params });
      return reply.data;
    },
  });
}
