import { isTrue, type Json, number } from '../../catalogue/json.ts';
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

/** What the rules of the datacenter and of nodes are weighed with. */
export const RULE_LOCKOUT_CALLS = [
  ...LOCKOUT_CALLS,
  ['GET', '/cluster/firewall/options'],
  ['GET', '/nodes/{node}/firewall/options'],
] as const;

/**
 * Refuses to have a datacenter firewall drop what nobody allowed: Proxmox itself lets in no more than the nodes' own
 * network, and this service may be elsewhere. Who says the policy in the same call has thought of it.
 *
 * @param reset options that go back to their defaults: of `policy_in` it is DROP
 * @throws CallError CONFLICT
 */
export async function requireWayIn(
  scope: Scope,
  now: Json,
  wanted: Json,
  reset: readonly string[],
): Promise<void> {
  if (scope.kind !== 'datacenter' || wanted.policy_in !== undefined) return;
  const kept = Object.entries(now).filter(([name]) => !reset.includes(name));
  if (drops(now) || !drops({ ...Object.fromEntries(kept), ...wanted })) return;
  const { cluster } = scope;
  const [rules, sets] = await Promise.all(
    [apiPath`/cluster/firewall/rules`, apiPath`/cluster/firewall/ipset`].map((path) => read(cluster, path)),
  );
  if (hasManagement(sets) || rowsOf(rules).some(letsIn)) return;
  throw new CallError(
    'CONFLICT',
    `The firewall of ${cluster.name} would drop incoming packets, and no rule lets in TCP ${API_PORT} from outside the nodes' own network: this service may lose the cluster.`,
    {
      cluster: cluster.name,
      hint: 'Allow it first (save_firewall_rule: in, ACCEPT, tcp, dport 8006; or an IP set named management), or pass policy_in: ACCEPT stays open, DROP says that it is meant. Nothing was sent.',
      retryable: false,
    },
  );
}

/**
 * Refuses a change of the rules of the datacenter or of a node that closes the way to TCP 8006: the rules come before
 * what Proxmox itself lets in, the nodes among each other included.
 *
 * @param before the rules as they are, in their order; `after` as they will be
 * @throws CallError CONFLICT
 */
export async function requireWayKept(
  scope: Scope,
  before: readonly object[],
  after: readonly object[],
): Promise<void> {
  const { cluster, kind } = scope;
  if (kind !== 'datacenter' && kind !== 'node') return;
  const [options, own, behind, sets]: [Json, Json, Json[], unknown] = await Promise.all([
    optionsAt(scope, apiPath`/cluster/firewall/options`),
    kind === 'node' ? optionsAt(scope, scope.at('options')) : {},
    kind === 'node' ? read(cluster, apiPath`/cluster/firewall/rules`).then(rowsOf, () => []) : [],
    read(cluster, apiPath`/cluster/firewall/ipset`).catch(() => []),
  ]);
  if (!isOn(options) || (own.enable !== undefined && !isOn(own))) return;
  const end = hasManagement(sets) || !drops(options) ? OPEN : NEAR;
  const way = (rules: readonly object[]) => wayOf([...(rules as Json[]), ...behind], end);
  if (way(after) >= way(before)) return;
  throw new CallError(
    'CONFLICT',
    `With this change ${scope.label} would let in TCP ${API_PORT} no more${way(after) === NEAR ? " from outside the nodes' own network" : ''}: this service may lose the cluster.`,
    {
      cluster: cluster.name,
      hint: 'Narrow the rule (source, dport), or keep an ACCEPT of tcp, dport 8006 in front of it (insert_at). Who means it sends it by proxmox_api_call. Nothing was sent.',
      retryable: false,
    },
  );
}

/** From where the API of a node is reached: from nowhere, from the nodes' own network, from elsewhere too. */
const [CLOSED, NEAR, OPEN] = [0, 1, 2];

/** The first rule that is about it decides; a group may, so that nothing is claimed behind one. */
function wayOf(rules: readonly Json[], end: number): number {
  const first = rules.find(
    (rule) => letsIn(rule) || keepsOut(rule) || (isEnabled(rule) && rule.type === 'group'),
  );
  if (first === undefined) return end;
  return keepsOut(first) ? CLOSED : OPEN;
}

/** What can't be read is not held against the call. */
function optionsAt({ cluster }: Scope, path: Parameters<typeof read>[1]): Promise<Json> {
  return read(cluster, path).then(
    (data) => rowsOf([data])[0] ?? {},
    () => ({}),
  );
}

function isOn({ enable }: Json): boolean {
  return isTrue(enable) || Number(enable ?? 0) > 0;
}

/** Whether a datacenter firewall drops what no rule decides. */
function drops(options: Json): boolean {
  return isOn(options) && textOf(options.policy_in) !== 'ACCEPT';
}

function hasManagement(sets: unknown): boolean {
  return rowsOf(sets).some(({ name }) => name === 'management');
}

function isEnabled({ enable }: Json): boolean {
  return enable !== false && number(enable) !== 0;
}

function letsIn(rule: Json): boolean {
  return rule.action === 'ACCEPT' && isAboutApi(rule);
}

/** Whatever it comes from and goes to. */
function keepsOut(rule: Json): boolean {
  const { action, source, dest, sport } = rule;
  return (
    (action === 'DROP' || action === 'REJECT') &&
    isAboutApi(rule) &&
    [source, dest, sport].every((part) => textOf(part) === undefined)
  );
}

function isAboutApi(rule: Json): boolean {
  const { type, proto, dport, macro, iface } = rule;
  if (type !== 'in' || !isEnabled(rule) || iface !== undefined) return false;
  if (macro !== undefined || (proto !== undefined && proto !== 'tcp')) return false;
  return dport === undefined || String(dport).split(',').some(holdsPort);
}

function holdsPort(part: string): boolean {
  const [from = NaN, to = from] = part.split(':').map(Number);
  return from <= API_PORT && API_PORT <= to;
}
