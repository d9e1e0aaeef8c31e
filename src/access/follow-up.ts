import { isObject } from '../catalogue/json.ts';
import { ApiPath } from '../proxmox/api-path.ts';
import type { GateRequest } from './gate.ts';

const AGENT = /^\/nodes\/[^/]+\/qemu\/\d+\/agent\/(exec|exec-status)$/;

/**
 * What belongs to an approved call and could not be part of its plan: how a program ends that it started, which is
 * asked by a number that only the answer tells. Whoever approves that a program runs approves that its output is
 * read, by the same tool call.
 *
 * @param data what the approved call answered
 */
export function followUpOf(
  { method, path, data: asked }: GateRequest,
  data: unknown,
): GateRequest | undefined {
  const [, call] = AGENT.exec(path.toString()) ?? [];
  // A status that says "not yet" is asked again.
  if (call === 'exec-status' && method === 'GET') return { method, path, data: asked };
  const pid = isObject(data) ? data.pid : undefined;
  if (call !== 'exec' || method !== 'POST' || !Number.isInteger(pid)) return undefined;
  const status = ApiPath.ofSegments([...path.segments.slice(0, -1), 'exec-status']);
  return { method: 'GET', path: status, data: { pid } };
}
