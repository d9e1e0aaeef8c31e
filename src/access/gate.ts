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
import { toParameters } from './parameters.ts';
import { decide } from './policy.ts';
import type { Principal } from './principal.ts';
import { riskOfRequest, verified } from './verification.ts';

/** Who calls, through what, and with which limits: made once per tool call by the dispatcher. */
export interface CallOrigin {
  principal: Principal;
  /** Joins the log lines of one tool call. */
  requestId: string;
  tool: string;
  door: string;
  signal: AbortSignal;
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

export interface GateOptions {
  /** MCP_READ_ONLY; read anew for each request, as a reload may change it. */
  readonly readOnly: boolean;
  logger: Logger;
  /** Epoch milliseconds. */
  clock?: () => number;
}

/**
 * The one way from a tool to a cluster: normalised path, policy, record, engine, record. Curated tools and
 * `proxmox_api_call` both stand above it, so that no tool can forget it.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #clock: () => number;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  open(selection: Selection, origin: CallOrigin): GatedCluster {
    const { cluster, selectedBy, matched } = selection;
    const served: Served = {};
    const request = (wanted: GateRequest): Promise<ProxmoxReply> =>
      this.#ask(selection, origin, wanted, served);
    const read = <T>(what: (from: Cluster) => Promise<T>): Promise<T> =>
      this.#read(selection, origin, what, served);
    return {
      name: cluster.name,
      selectedBy,
      matched,
      get servedBy() {
        return served.by;
      },
      settings: cluster.config,
      request,
      catalogue: () => cluster.catalogue(origin.signal),
      permissions: () => {
        this.#mayRead(cluster, origin);
        return cluster.permissions(origin.signal);
      },
      rights: async () => {
        this.#mayRead(cluster, origin);
        const held = await cluster.permissions(origin.signal);
        return judgePrivileges(held, cluster.config, this.#options.readOnly || cluster.config.readOnly);
      },
      alone: () => this.open({ cluster, selectedBy, ...(matched === undefined ? {} : { matched }) }, origin),
      health: async () => {
        this.#mayRead(cluster, origin);
        return cluster.health(origin.signal);
      },
      endpoints: () => {
        this.#mayRead(cluster, origin);
        return cluster.endpoints();
      },
      inventory: (options) => read((from) => from.inventory({ signal: origin.signal, ...options })),
      backups: (options) => read((from) => from.backups({ signal: origin.signal, ...options })),
      get api() {
        return typedFacade(request);
      },
    };
  }

  /** Sends a request; where it only reads and the cluster can't be reached, to the fallback. */
  async #ask(
    { cluster, fallback }: Selection,
    origin: CallOrigin,
    request: GateRequest,
    served: Served,
  ): Promise<ProxmoxReply> {
    try {
      return await this.#pass(cluster, origin, request);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      if (request.method !== 'GET') throw unsent(error, fallback !== undefined);
      if (fallback === undefined || !mayFallBack(request)) throw error;
      const { risks } = riskOfRequest(await fallback.catalogue(origin.signal), request);
      if (risks.some((risk) => risk !== 'read')) throw error;
      return this.#fromFallback(error, fallback, served, () => this.#pass(fallback, origin, request));
    }
  }

  async #read<T>(
    { cluster, fallback }: Selection,
    origin: CallOrigin,
    what: (from: Cluster) => Promise<T>,
    served: Served,
  ): Promise<T> {
    this.#mayRead(cluster, origin);
    try {
      return await what(cluster);
    } catch (error) {
      if (!isUnreachable(error) || fallback === undefined) throw error;
      this.#mayRead(fallback, origin);
      return this.#fromFallback(error, fallback, served, () => what(fallback));
    }
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

  async #pass(cluster: Cluster, origin: CallOrigin, request: GateRequest): Promise<ProxmoxReply> {
    const { method, path, deadlineMs } = request;
    const record = this.#record(cluster, origin, request);
    try {
      const catalogue = await cluster.catalogue(origin.signal);
      const { risks, reasons } = riskOfRequest(catalogue, request);
      const serverReadOnly = this.#options.readOnly;
      decide({ principal: origin.principal, method, risks, reasons, cluster, serverReadOnly });
      const parameters = cluster.config.validate ? verified(catalogue, request) : toParameters(request.data);
      record.begin(risks, Object.keys(parameters));
      try {
        const reply = await cluster.send({
          method,
          path,
          parameters,
          signal: request.signal ?? origin.signal,
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
        });
        record.end('ok', reply.endpoint);
        return reply;
      } finally {
        // Also where it failed: a write that timed out may have been carried out.
        if (method !== 'GET') cluster.changed();
      }
    } catch (error) {
      record.end(origin.signal.aborted ? 'cancelled' : toCallError(error).code);
      throw error;
    }
  }

  #mayRead(cluster: Cluster, { principal }: CallOrigin): void {
    const serverReadOnly = this.#options.readOnly;
    decide({ principal, method: 'GET', risks: ['read'], reasons: [], cluster, serverReadOnly });
  }

  /** Values of parameters stay out of the log: a password is a parameter like any other. */
  #record(cluster: Cluster, origin: CallOrigin, { method, path }: GateRequest) {
    const startedAt = this.#clock();
    const log = this.#options.logger.child({
      request_id: origin.requestId,
      subject: origin.principal.subject,
      door: origin.door,
      tool: origin.tool,
      cluster: cluster.name,
      method,
      path: path.toString(),
    });
    return {
      begin: (risks: readonly string[], parameters: string[]) =>
        log.info({ risks, parameters }, 'proxmox call begins'),
      end: (outcome: string, endpoint?: string) =>
        log.info({ outcome, endpoint, duration_ms: this.#clock() - startedAt }, 'proxmox call ended'),
    };
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
