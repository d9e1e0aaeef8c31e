import type { Logger } from 'pino';
import { type Proxmox, proxmoxApi } from 'proxmox-api';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import type { Cluster, SelectedBy, Selection } from '../clusters/cluster.ts';
import { type ApiPath, facadePath } from '../proxmox/api-path.ts';
import { HTTP_METHODS, type HttpMethod, type ProxmoxReply } from '../proxmox/call.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
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
}

/** A cluster as a tool holds it. Every request through it, typed or raw, is judged and recorded. */
export interface GatedCluster {
  readonly name: string;
  readonly selectedBy: SelectedBy;
  /** The typed facade of `proxmox-api` over this gate. */
  readonly api: Proxmox.Api;
  /** The API as this cluster has it; nothing of it is secret, and reading it is no call. */
  catalogue(): Promise<Catalogue>;
  /** What the cluster's token may do, as Proxmox says. @throws CallError */
  permissions(): Promise<EffectivePermissions>;
  /** @throws CallError POLICY_DENIED before anything is sent, or what the cluster answered. */
  request(request: GateRequest): Promise<ProxmoxReply>;
}

export interface GateOptions {
  /** MCP_READ_ONLY. */
  readOnly: boolean;
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
    const { cluster, selectedBy } = selection;
    const request = (wanted: GateRequest): Promise<ProxmoxReply> => this.#pass(cluster, origin, wanted);
    return {
      name: cluster.name,
      selectedBy,
      request,
      catalogue: () => cluster.catalogue(origin.signal),
      permissions: () => this.#permissions(cluster, origin),
      get api() {
        return typedFacade(request);
      },
    };
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
      const reply = await cluster.send({
        method,
        path,
        parameters,
        signal: origin.signal,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
      });
      record.end('ok', reply.endpoint);
      return reply;
    } catch (error) {
      record.end(origin.signal.aborted ? 'cancelled' : toCallError(error).code);
      throw error;
    }
  }

  #permissions(cluster: Cluster, { principal, signal }: CallOrigin): Promise<EffectivePermissions> {
    decide({
      principal,
      method: 'GET',
      risks: ['read'],
      reasons: [],
      cluster,
      serverReadOnly: this.#options.readOnly,
    });
    return cluster.permissions(signal);
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
