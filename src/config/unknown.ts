import { TOP_VARIABLES } from './cluster-variables.ts';
import type { Environment } from './environment.ts';
import { editDistance, nearestNames } from './nearest.ts';

/** A variable that is set as if for this service, and that nothing reads. */
export interface UnknownSetting {
  name: string;
  /** `environment` or `.env`. */
  source: string;
  /** What to say behind its name; never holds a value. */
  message: string;
  /** Whether it looks like a known one misspelt. */
  isNear: boolean;
}

/**
 * Of this service, read elsewhere: MCP_TOKEN by `call`, MCP_APPROVER_TOKEN by `approvals`, MCP_BIND, MCP_DOMAIN and PROXMOX_MCP_…
 * by docker-compose.yml.
 */
const ELSEWHERE = /^(?:MCP_TOKEN|MCP_APPROVER_TOKEN|MCP_BIND|MCP_DOMAIN|PROXMOX_MCP_.*)$/;
/** PROXMOX_CLUSTER_<name>_… is checked where the clusters are known; CLUSTER_… may be of other programs. */
const OURS =
  /^(?:MCP_|PROXMOX(?!_CLUSTER_)_|CLUSTER_(?:TTL|VALID)|CLUSTERS_FI|POLIC(?:Y|IES)_FI|ALERT_(?:WEB|INT|STOR|CERT|TOK|BACK))/i;
/** What other programs for Proxmox VE call these settings; the port stands behind the host here. */
const ELSEWHERE_CALLED: Readonly<Record<string, string>> = {
  PROXMOX_USER: 'PROXMOX_USERNAME',
  PROXMOX_PORT: 'PROXMOX_HOST',
  PROXMOX_TOKEN_VALUE: 'PROXMOX_TOKEN_SECRET',
};

/**
 * Finds the settings that would be ignored without a word: a misspelt MCP_READ_ONLY leaves the service writing.
 *
 * @param environment after everything was read from it: what it was asked for is known
 * @param rehearsed names that are read under other settings, such as those of authentication
 */
export function unknownSettings(environment: Environment, rehearsed: Iterable<string>): UnknownSetting[] {
  const known = new Set([...environment.asked(), ...rehearsed, ...TOP_VARIABLES]);
  // Names that clusters.json gave are no settings to suggest beyond those of the service.
  const suggested = [...known].filter((name) => OURS.test(name));
  return [...new Set(environment.names())].flatMap((name) => {
    const [, base = name, file = ''] = /^(.+?)(_FILE)?$/i.exec(name) ?? [];
    if (!OURS.test(name) || ELSEWHERE.test(base) || known.has(name) || known.has(base)) return [];
    const nearest = nearestSetting(base, suggested);
    const hint = nearest === undefined ? '' : `: did you mean ${nearest}${file}?`;
    return [
      {
        name,
        source: environment.sourceOf(name),
        message: `is not a setting of this service${hint}`,
        isNear: nearest !== undefined,
      },
    ];
  });
}

/** One that goes on where the wanted one ends (CLUSTER_TTL) is meant, unless another is but a slip away. */
function nearestSetting(base: string, suggested: readonly string[]): string | undefined {
  if (Object.hasOwn(ELSEWHERE_CALLED, base)) return ELSEWHERE_CALLED[base];
  const [nearest] = nearestNames(base, suggested, 1);
  if (nearest === undefined || editDistance(base, nearest) <= 2) return nearest;
  return suggested.find((name) => name.startsWith(`${base}_`)) ?? nearest;
}
