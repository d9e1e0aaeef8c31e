import { ApiError, forbidden, invalidParameters } from './errors.ts';
import { completeSchema, makeOperations, type Operation } from './generic/operation.ts';
import { serveGenerically } from './generic/serve.ts';
import type { Call, Method } from './methods/method.ts';
import { METHODS } from './methods/table.ts';
import { requirePermissions } from './permissions.ts';
import { type Match, Router } from './router.ts';
import type { ApiSchema } from './schema/api-schema.ts';
import { methodKey } from './schema/tree.ts';
import type { Identity } from './state/access.ts';
import type { ClusterState } from './state/cluster-state.ts';
import { reachable, refuseHazard } from './state/hazards.ts';
import { verifyParameters } from './verify.ts';

/** The node that answered could not reach the node the call is for. */
export class UnreachableNode extends Error {}

export interface ApiRequest {
  verb: string;
  /** Relative to the API: `/nodes/pve1/qemu` */
  path: string;
  given: Record<string, unknown>;
  identity: Identity;
  localNode: string;
}

/** The API of one schema: every method of it, those the simulator does itself and those the schema alone describes. */
export class Api {
  /** With what only the simulator describes, where the schema given is open to it. */
  readonly schema: ApiSchema;
  readonly operations: readonly Operation[];
  readonly #router: Router<Operation>;
  readonly #byKey: Map<string, Operation>;

  constructor(schema: ApiSchema, methods: readonly Method[] = METHODS) {
    this.schema = completeSchema(schema, methods);
    this.operations = makeOperations(this.schema, methods);
    this.#router = new Router(this.operations);
    this.#byKey = new Map(this.operations.map((operation) => [methodKey(operation), operation]));
  }

  /** The operation that a call of a concrete path leads to. */
  find(verb: string, path: string): Operation | undefined {
    return this.#router.find(verb, path)?.route;
  }

  needsLogin(verb: string, path: string): boolean {
    return this.find(verb, path)?.permissions?.user !== 'world';
  }

  /** Whether an API token may not call it. */
  refusesTokens(verb: string, path: string): boolean {
    return this.find(verb, path)?.allowToken === false;
  }

  /** One call, in PVE's order: method, parameters twice, token, permission, node, verification, work. */
  call(state: ClusterState, request: ApiRequest): unknown {
    const { identity, localNode, verb, path } = request;
    const match = this.#router.find(verb, path);
    if (!match) throw new ApiError(501, `Method '${verb} ${path}' not implemented`);
    const { route } = match;
    const given = mergePath(match.path, request.given);
    if (!route.allowToken && identity.token !== undefined) throw needsTicket(path);
    requirePermissions(state, identity, route.permissions, given);
    refuseUnreachable(state, localNode, match);
    const parameters = verifyParameters(route.parameters, given, route.additionalProperties);
    const failed = refuseHazard(state, route, { owner: identity.id, localNode, parameters });
    return failed ?? this.#serve(route, { state, identity, localNode, parameters });
  }

  #serve(operation: Operation, call: Call): unknown {
    const { handler, role } = operation;
    if (handler) {
      const result = handler(call);
      return role.does === 'index' ? completeIndex(result, operation.children) : result;
    }
    return serveGenerically({
      ...call,
      operation,
      find: (method, path) => this.#byKey.get(methodKey({ method, path })),
      isKept: (path) => this.#isKept(path),
      may: ({ permissions }, given) => {
        try {
          requirePermissions(call.state, call.identity, permissions, given);
          return true;
        } catch {
          return false;
        }
      },
    });
  }

  /** Whether what makes the items of a path is served generically. */
  #isKept(path: string): boolean {
    const own = this.#byKey.get(`POST ${path}`);
    const above = this.#byKey.get(`POST ${path.slice(0, path.lastIndexOf('/'))}`);
    const maker = own?.role.does === 'createItem' ? own : above?.role.does === 'create' ? above : undefined;
    return maker !== undefined && maker.handler === undefined;
  }
}

export function needsTicket(path: string): ApiError {
  return forbidden(`URI '${path}' not available with API token, need proper ticket.`);
}

/** A hand-written index gives its checks and its key; which names are below, the schema knows best. */
function completeIndex(result: unknown, children: string[]): unknown {
  const [first]: unknown[] = Array.isArray(result) ? result : [];
  const [key, ...more] = Object.keys(first ?? {});
  if (key === undefined || more.length > 0) return result;
  return children.map((name) => ({ [key]: name }));
}

function mergePath(path: Record<string, string>, given: Record<string, unknown>): Record<string, unknown> {
  const twice = Object.keys(path).filter(
    (key) => given[key] !== undefined && String(given[key]) !== path[key],
  );
  if (twice.length > 0) {
    throw invalidParameters(
      Object.fromEntries(twice.map((key) => [key, 'duplicate parameter (already defined in URI)'])),
    );
  }
  return { ...given, ...path };
}

/** Any node answers for any other of its cluster, as long as that one can be reached. */
function refuseUnreachable(state: ClusterState, localNode: string, { route, path }: Match<Operation>): void {
  const { node: name } = path;
  if (!route.proxied || name === undefined || name === 'localhost' || name === localNode) return;
  if (!reachable(state, name).online) throw new UnreachableNode('No route to host');
}
