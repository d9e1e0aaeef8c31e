import { type Json, number } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { rowsOf, textOf } from '../results.ts';
import { read, type Scope } from './scope.ts';

const API_PORT = 8006;

/** What keeps the way to the nodes open where incoming packets are dropped. */
export const LOCKOUT_CALLS = [
  ['GET', '/cluster/firewall/rules'],
  ['GET', '/cluster/firewall/ipset'],
] as const;

/**
 * Refuses to turn on a datacenter firewall that drops what nobody allowed: Proxmox itself lets in no more than the
 * nodes' own network, and this service may be elsewhere. Who says the policy in the same call has thought of it.
 *
 * @throws CallError CONFLICT
 */
export async function requireWayIn(scope: Scope, now: Json, wanted: Json): Promise<void> {
  const { cluster } = scope;
  const turnsOn = Number(now.enable ?? 0) === 0 && Number(wanted.enable ?? 0) > 0;
  const isOpen = textOf(now.policy_in) === 'ACCEPT';
  if (scope.kind !== 'datacenter' || !turnsOn || isOpen || wanted.policy_in !== undefined) return;
  const [rules, sets] = await Promise.all(
    [apiPath`/cluster/firewall/rules`, apiPath`/cluster/firewall/ipset`].map((path) => read(cluster, path)),
  );
  const hasSet = rowsOf(sets).some(({ name }) => name === 'management');
  if (hasSet || rowsOf(rules).some(letsIn)) return;
  throw new CallError(
    'CONFLICT',
    `Turned on, the firewall of ${cluster.name} drops incoming packets, and no rule lets in TCP ${API_PORT} from outside the nodes' own network: this service may lose the cluster.`,
    {
      cluster: cluster.name,
      hint: 'Allow it first (save_firewall_rule: in, ACCEPT, tcp, dport 8006; or an IP set named management), or pass policy_in beside enable: ACCEPT stays open, DROP says that it is meant. Nothing was sent.',
      retryable: false,
    },
  );
}

function letsIn({ type, action, enable, proto, dport, macro, iface }: Json): boolean {
  if (type !== 'in' || action !== 'ACCEPT' || number(enable) === 0 || iface !== undefined) return false;
  if (macro !== undefined || (proto !== undefined && proto !== 'tcp')) return false;
  return dport === undefined || String(dport).split(',').some(holdsPort);
}

function holdsPort(part: string): boolean {
  const [from = NaN, to = from] = part.split(':').map(Number);
  return from <= API_PORT && API_PORT <= to;
}
