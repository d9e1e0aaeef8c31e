import { ApiError, failure, forbidden, invalidParameters } from './errors.ts';
import type { Method } from './methods/method.ts';
import { METHODS } from './methods/table.ts';
import { requirePermissions } from './permissions.ts';
import { Router } from './router.ts';
import type { Identity } from './state/access.ts';
import { type ClusterState, findNode } from './state/cluster-state.ts';
import { verifyParameters } from './verify.ts';

const router = new Router(METHODS);

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

export function needsLogin(verb: string, path: string): boolean {
  const permissions = router.find(verb, path)?.method.permissions;
  return !(permissions && 'user' in permissions && permissions.user === 'world');
}

/** One call, in PVE's order: method, parameters twice, token, permission, node, verification, work. */
export function callApi(state: ClusterState, request: ApiRequest): unknown {
  const match = router.find(request.verb, request.path);
  if (!match) throw new ApiError(501, `Method '${request.verb} ${request.path}' not implemented`);
  const given = mergePath(match.path, request.given);
  refuseToken(match.method, request);
  requirePermissions(state, request.identity, match.method.permissions, given);
  refuseUnreachable(state, request.localNode, match.path.node);
  const { identity, localNode } = request;
  const parameters = verifyParameters(match.method.properties ?? {}, given);
  return match.method.handler({ state, identity, localNode, parameters });
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

function refuseToken({ allowtoken }: Method, { identity, path }: ApiRequest): void {
  if (allowtoken === 0 && identity.token !== undefined) {
    throw forbidden(`URI '${path}' not available with API token, need proper ticket.`);
  }
}

/** Any node answers for any other of its cluster, as long as that one can be reached. */
function refuseUnreachable(state: ClusterState, localNode: string, name: string | undefined): void {
  if (name === undefined || name === 'localhost' || name === localNode) return;
  const node = findNode(state, name);
  if (!node) {
    throw failure(
      `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known`,
    );
  }
  if (!node.online) throw new UnreachableNode('No route to host');
}
