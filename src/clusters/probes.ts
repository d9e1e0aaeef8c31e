import { isObject } from '../catalogue/json.ts';
import type { EffectivePermissions } from '../catalogue/permissions.ts';
import { apiPath } from '../proxmox/api-path.ts';
import type { Clock } from '../proxmox/breaker.ts';
import type { Engine } from '../proxmox/engine.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import type { ClusterHealth } from './cluster.ts';

const VERSION_PATH = apiPath`/version`;
const PERMISSIONS_PATH = apiPath`/access/permissions`;
/** How long a cluster may take to say that it is there, in milliseconds. */
export const HEALTH_MS = 5_000;
const PERMISSIONS_MS = 10_000;

/** Asks a cluster for its version; whatever goes wrong is in the answer. */
export async function probeHealth(engine: Engine, clock: Clock): Promise<ClusterHealth> {
  const startedAt = clock.now();
  try {
    const template = VERSION_PATH.toString();
    const call = {
      method: 'GET',
      path: VERSION_PATH,
      template,
      parameters: {},
      deadlineMs: HEALTH_MS,
    } as const;
    const { data } = await engine.send(call);
    return healthFrom(data, clock.now() - startedAt, clock);
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    return unhealthy(code, message, clock);
  }
}

/** Reads the answer to `GET /version`. */
export function healthFrom(data: unknown, latencyMs: number, clock: Clock): ClusterHealth {
  const { version, release } = (data ?? {}) as Record<string, unknown>;
  if (typeof version !== 'string') {
    return unhealthy('UPSTREAM_ERROR', 'The answer to /version holds no version: is this Proxmox VE?', clock);
  }
  return { reachable: true, version, release: String(release ?? ''), latencyMs, checkedAt: clock.now() };
}

export function unhealthy(
  code: string,
  message: string,
  clock: Clock,
): Extract<ClusterHealth, { reachable: false }> {
  return { reachable: false, code, message, checkedAt: clock.now() };
}

/**
 * Asks a cluster what the service's own credentials may do.
 *
 * @throws CallError
 */
export async function askPermissions(engine: Engine, cluster: string): Promise<EffectivePermissions> {
  const template = PERMISSIONS_PATH.toString();
  const call = {
    method: 'GET',
    path: PERMISSIONS_PATH,
    template,
    parameters: {},
    deadlineMs: PERMISSIONS_MS,
  } as const;
  const { data } = await engine.send(call);
  if (isObject(data) && Object.values(data).every(isObject)) return data as EffectivePermissions;
  throw new CallError('UPSTREAM_ERROR', 'The answer to /access/permissions is not a map of paths.', {
    cluster,
    hint: 'Check `url` of this cluster: it must be a node of Proxmox VE.',
  });
}
