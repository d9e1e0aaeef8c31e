import { type Proxmox, proxmoxApi } from 'proxmox-api';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions, PrivilegeNeed } from '../catalogue/permissions.ts';
import type { Cluster, ClusterHealth, SelectedBy, Selection } from '../clusters/cluster.ts';
import type { Backups, Inventory } from '../clusters/inventory.ts';
import {
  judgePrivileges,
  lackedPrivileges,
  type PrivilegeReport,
  type Problem,
} from '../clusters/privileges.ts';
import type { Approval } from '../config/policy-schema.ts';
import { facadePath } from '../proxmox/api-path.ts';
import { HTTP_METHODS, type ProxmoxReply } from '../proxmox/call.ts';
import type { EndpointState } from '../proxmox/endpoint-state.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import type { NodeAddress } from '../proxmox/node-link.ts';
import { ConnectFailure } from '../proxmox/tls.ts';
import { accountName } from '../proxmox/upid.ts';
import type { ApproveOptions, StandingApproval } from './approving.ts';
import type { CallOrigin, ClusterSettings, GatedCluster, GateRequest } from './gate.ts';
import { Grant } from './grant.ts';
import { requireRead, SERVICE_READS } from './judge.ts';
import type { Passage, PassageOptions } from './passage.ts';
import type { GuestFacts } from './policy/policy.ts';
import { tenantBackups, tenantInventory, visibleVmids } from './policy/tenant-view.ts';
import { remoteEndpoint } from './remote-endpoint.ts';
import type { Arriving, Passing } from './steps.ts';
import { riskOfRequest } from './verification.ts';

type ReadOptions = Parameters<GatedCluster['inventory']>[0];

/** One cluster for one tool call. A class and not an object of closures: a question to a fleet makes a hundred. */
export class JudgedCluster implements GatedCluster {
  readonly name: string;
  readonly selectedBy: SelectedBy;
  readonly matched: string | undefined;
  readonly settings: ClusterSettings;
  /** Which fallback answered, once one did. */
  servedBy: string | undefined;
  readonly #cluster: Cluster;
  readonly #fallback: Cluster | undefined;
  readonly #origin: CallOrigin;
  readonly #options: PassageOptions;
  readonly #passage: Passage;
  readonly #grants: Grant[] = [];
  readonly #made = new Map<number, GuestFacts>();

  constructor(selection: Selection, origin: CallOrigin, options: PassageOptions, passage: Passage) {
    const { cluster, fallback, selectedBy, matched } = selection;
    this.name = cluster.name;
    this.selectedBy = selectedBy;
    this.matched = matched;
    this.settings = cluster.config;
    this.#cluster = cluster;
    this.#fallback = fallback;
    this.#origin = origin;
    this.#options = options;
    this.#passage = passage;
    const { standing } = origin;
    if (standing !== undefined) this.#grants.push(new Grant(standing, standing.bindings, standing.kind));
  }

  get account(): string {
    const { credentials } = this.#cluster.config;
    return accountName(credentials.user, credentials.kind === 'token' ? credentials.tokenId : undefined);
  }

  get api(): Proxmox.Api {
    return typedFacade((request) => this.request(request));
  }

  catalogue(): Promise<Catalogue> {
    return this.#cluster.catalogue(this.#origin.signal);
  }

  permissions(): Promise<EffectivePermissions> {
    const cluster = this.#cluster;
    return this.#shown(cluster, SERVICE_READS.permissions, () => cluster.permissions(this.#origin.signal));
  }

  async rights(): Promise<PrivilegeReport> {
    const { config } = this.#cluster;
    return judgePrivileges(await this.permissions(), config, this.#options.readOnly || config.readOnly);
  }

  alone(): GatedCluster {
    const { selectedBy, matched } = this;
    const selection = { cluster: this.#cluster, selectedBy, ...(matched === undefined ? {} : { matched }) };
    return new JudgedCluster(selection, this.#origin, this.#options, this.#passage);
  }

  async health(): Promise<ClusterHealth> {
    requireRead(this.#options, this.#origin, this.#cluster, SERVICE_READS.version);
    return this.#cluster.health(this.#origin.signal);
  }

  endpoints(): readonly EndpointState[] {
    requireRead(this.#options, this.#origin, this.#cluster, SERVICE_READS.status);
    return this.#cluster.endpoints();
  }

  inventory(options?: ReadOptions): Promise<Inventory> {
    const { signal, principal } = this.#origin;
    return this.#read(async (from) => {
      const inventory = await from.inventory({ signal, ...options });
      const tenant = this.#options.policy.tenantOf(principal);
      return tenant === undefined ? inventory : tenantInventory(inventory, tenant);
    });
  }

  backups(options?: ReadOptions): Promise<Backups> {
    const { signal, principal } = this.#origin;
    return this.#read(async (from) => {
      const backups = await from.backups({ signal, ...options });
      const tenant = this.#options.policy.tenantOf(principal);
      if (tenant === undefined) return backups;
      const { guests } = await from.inventory({ signal });
      return tenantBackups(backups, visibleVmids(guests, tenant), tenant);
    });
  }

  async approve(requests: readonly GateRequest[], options?: ApproveOptions): Promise<void> {
    const grant = await this.#passage.approve(this.#passings(requests), options);
    if (grant !== undefined) this.#grants.push(grant);
  }

  approveStanding(
    requests: readonly GateRequest[],
    options?: ApproveOptions,
  ): Promise<StandingApproval | undefined> {
    return this.#passage.approveStanding(this.#passings(requests), options);
  }

  approvalFor(requests: readonly GateRequest[]): Promise<Approval> {
    return this.#passage.approvalFor(this.#passings(requests));
  }

  async addressOf(node: string): Promise<NodeAddress> {
    const cluster = this.#cluster;
    return this.#shown(cluster, SERVICE_READS.status, async () => {
      const { address } = await remoteEndpoint(cluster, node, this.#origin.signal);
      return address;
    });
  }

  async lacks(needs: readonly PrivilegeNeed[]): Promise<Problem[]> {
    return lackedPrivileges(await this.permissions(), this.#cluster.config, needs);
  }

  #passings(requests: readonly GateRequest[]): Passing[] {
    const { selectedBy, matched } = this;
    const passing = { cluster: this.#cluster, selectedBy, matched, origin: this.#origin, made: this.#made };
    return requests.map((request) => ({ ...passing, request, remote: this.#arriving(request) }));
  }

  #arriving({ remote }: GateRequest): Arriving | undefined {
    return remote && { target: (remote.to as JudgedCluster).#cluster, node: remote.node };
  }

  /** Sends a request; where it only reads and the cluster can't be reached, to the fallback. */
  async request(request: GateRequest): Promise<ProxmoxReply> {
    const { selectedBy, matched } = this;
    const origin = this.#origin;
    const fallback = this.#fallback;
    const remote = this.#arriving(request);
    const passing = { selectedBy, matched, origin, request, remote, grants: this.#grants };
    try {
      return await this.#passage.pass({ ...passing, cluster: this.#cluster, made: this.#made });
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (request.method !== 'GET') throw unsent(error, fallback !== undefined);
      if (fallback === undefined || !mayFallBack(request)) throw error;
      const { risks } = riskOfRequest(await fallback.catalogue(origin.signal), request);
      if (risks.some((risk) => risk !== 'read')) throw error;
      return this.#fromFallback(error, fallback, () =>
        this.#passage.pass({ ...passing, cluster: fallback, selectedBy: 'fallback' }),
      );
    }
  }

  /** What the service knows of a cluster's inventory, or of its fallback's. */
  async #read<T>(what: (from: Cluster) => Promise<T>): Promise<T> {
    const fallback = this.#fallback;
    const shown = (from: Cluster): Promise<T> =>
      this.#shown(from, SERVICE_READS.resources, async () => {
        this.#origin.enter?.(from.name);
        return what(from);
      });
    try {
      return await shown(this.#cluster);
    } catch (error) {
      if (!isUnreachable(error) || fallback === undefined) throw error;
      requireRead(this.#options, this.#origin, fallback, SERVICE_READS.resources);
      return this.#fromFallback(error, fallback, () => shown(fallback));
    }
  }

  /** What the service has read itself is judged and recorded as the same read of the caller's own would be. */
  async #shown<T>(from: Cluster, path: string, work: () => Promise<T>): Promise<T> {
    const origin = this.#origin;
    const decision = requireRead(this.#options, origin, from, path);
    const selectedBy = from === this.#cluster ? this.selectedBy : 'fallback';
    const passing = { cluster: from, selectedBy, matched: this.matched, origin };
    return this.#passage.shown(passing, path, decision, work);
  }

  /** @throws CallError that names both clusters, where the fallback can't serve it either */
  async #fromFallback<T>(unreachable: CallError, fallback: Cluster, work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      this.servedBy = fallback.name;
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

/** Not what is about a task, which another cluster can't know of. */
function mayFallBack({ path }: GateRequest): boolean {
  return !/\/tasks(?:\/|$)/.test(path.toString());
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
