import type { Catalogue } from '../catalogue/catalogue.ts';
import { isObject } from '../catalogue/json.ts';
import { ApiPath } from '../proxmox/api-path.ts';
import type { Parameters } from '../proxmox/call.ts';
import type { Approved } from './approvals/approvals.ts';
import { bindingOf } from './approvals/plan.ts';
import type { GateRequest } from './gate.ts';
import { Grant } from './grant.ts';
import type { Step } from './steps.ts';
import { encodedFor } from './verification.ts';

const AGENT = /^\/nodes\/[^/]+\/qemu\/\d+\/agent\/(exec|exec-status)$/;

/**
 * Lets a tool call read what its approved call began, as long as it runs.
 *
 * @param data what the approved call answered
 */
export function followUpGrant(
  { cluster, request, decision }: Step,
  catalogue: Catalogue,
  approved: Approved,
  data: unknown,
): Grant | undefined {
  const next = followUpOf(request, data);
  if (next === undefined) return undefined;
  let parameters: Parameters;
  try {
    parameters = encodedFor(cluster, catalogue, next);
  } catch {
    // It is refused when it is asked: the call before it was made, and its answer has to come.
    return undefined;
  }
  const { method, path } = next;
  const binding = bindingOf(cluster.name, [{ method, path: path.wire, parameters }]);
  return new Grant(approved, [binding], decision.approval);
}

/**
 * What belongs to an approved call and could not be part of its plan: how a program ends that it started, which is
 * asked by a number that only the answer tells. Whoever approves that a program runs approves that its output is
 * read, by the same tool call.
 *
 * @param data what the approved call answered
 */
function followUpOf({ method, path, data: asked }: GateRequest, data: unknown): GateRequest | undefined {
  const [, call] = AGENT.exec(path.toString()) ?? [];
  // A status that says "not yet" is asked again.
  if (call === 'exec-status' && method === 'GET') return { method, path, data: asked };
  const pid = isObject(data) ? data.pid : undefined;
  if (call !== 'exec' || method !== 'POST' || !Number.isInteger(pid)) return undefined;
  const status = ApiPath.ofSegments([...path.segments.slice(0, -1), 'exec-status']);
  return { method: 'GET', path: status, data: { pid } };
}
