import { isIP } from 'node:net';
import { didYouMean } from '../../config/nearest.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError, toCallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { rowsOf, textOf } from '../results.ts';
import { requireVersion } from '../versions.ts';
import type { RuleRow } from './rules.ts';
import { callsOf, read, type Scope } from './scope.ts';

export const RULE_CHECK_CALLS = [
  ...callsOf(['datacenter', 'qemu', 'lxc'], 'GET', '/refs', 'type'),
  ['GET', '/cluster/firewall/macros'],
  ['GET', '/cluster/firewall/groups'],
] as const;

const ACTIONS = ['ACCEPT', 'DROP', 'REJECT'];
/** Have ports (pve-firewall: verify_rule). */
const WITH_PORTS = /^(?:tcp|udp|udplite|sctp|dccp|6|17|33|132|136)$/i;
const IS_ICMP = /^(?:icmp|icmpv6|ipv6-icmp|1|58)$/i;

type Rule = Omit<RuleRow, 'pos'>;

/**
 * Refuses a rule that Proxmox would refuse in other words, or would take and then leave out: one that names what is not
 * there.
 *
 * @throws CallError INVALID_ARGUMENTS
 */
export async function requireSensibleRule(scope: Scope, rule: Rule): Promise<void> {
  const problem = shapeProblem(scope, rule);
  if (problem !== undefined) throw refused(scope, problem);
  if (rule.type === 'forward') {
    const method = scope.template(scope.kind === 'group' ? '' : '/rules');
    const { enum: types } = (await scope.cluster.catalogue()).get('POST', method)?.parameters.type ?? {};
    // Which types there are came with the firewall of vnets.
    if (types?.includes('forward') === false) {
      const what = { what: 'Rules for forwarded packets', since: '8.3' };
      await requireVersion(scope.cluster, 'GET', '/cluster/sdn/vnets/{vnet}/firewall/rules', what);
    }
  }
  await Promise.all([requireGroup(scope, rule), requireMacro(scope, rule), requireNames(scope, rule)]);
}

function shapeProblem({ kind }: Scope, rule: Rule): string | undefined {
  const { type, action, macro, proto, sport, dport, icmp_type, iface } = rule;
  if (type === 'group') {
    if (kind === 'group') return 'a security group holds no other group';
    const more = (['macro', 'proto', 'source', 'sport', 'dest', 'dport'] as const).filter(
      (name) => rule[name],
    );
    return more.length === 0
      ? undefined
      : `a rule of type group takes no ${more.join(', ')}: the group says it`;
  }
  if (!ACTIONS.includes(action)) return `action is ${inQuotes(action)}: it must be ${ACTIONS.join(', ')}`;
  if (type === 'forward' && kind === 'guest') {
    return 'forwarded packets are no matter of a guest: such rules belong to the datacenter, a node or a vnet';
  }
  if (kind === 'vnet' && type !== 'forward') return 'a vnet has rules of type forward or group alone';
  for (const [name, value] of [['sport', sport] as const, ['dport', dport] as const]) {
    if (value === undefined) continue;
    if (proto === undefined && macro === undefined) return `${name} needs \`proto\`, such as tcp`;
    if (proto !== undefined && !WITH_PORTS.test(proto))
      return `${name} does not go with proto ${inQuotes(proto)}`;
    const wrong = value.split(',').find((part) => !isPort(part));
    if (wrong !== undefined)
      return `${name} holds ${inQuotes(wrong)}: pass 22, 8000:8010, https, or a comma list`;
  }
  if (icmp_type !== undefined && !IS_ICMP.test(proto ?? ''))
    return 'icmp_type needs `proto` icmp or ipv6-icmp';
  if (iface !== undefined && kind === 'guest' && !/^net\d+$/.test(iface)) {
    return `iface is ${inQuotes(iface)}: NICs of guests are named net0, net1…`;
  }
  for (const name of ['source', 'dest'] as const) {
    const wrong = parts(rule[name]).find((part) => !isAddress(part) && !NAME.test(part));
    if (wrong !== undefined) {
      return `${name} holds ${inQuotes(wrong)}: pass addresses, networks (10.0.0.0/8), ranges (10.0.0.1-10.0.0.9), an alias, or +ipset`;
    }
  }
  return undefined;
}

const NAME = /^\+?(?:(?:dc|guest|sdn)\/)?[A-Za-z][\w-]*$/;

function parts(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(',').map((part) => part.trim());
}

function isPort(text: string): boolean {
  if (/^[a-z][a-z0-9-]*$/i.test(text)) return true;
  const [, from = '', to = from] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? [];
  return from !== '' && Number(to) <= 65_535 && Number(from) <= Number(to);
}

/** An address, a network, or a range of addresses. */
export function isAddress(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  if (more.length > 0) return false;
  if (bits !== undefined)
    return isIP(address) > 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= mostBits(address);
  const ends = address.split('-');
  return ends.length <= 2 && ends.every((end) => isIP(end) > 0 && isIP(end) === isIP(ends[0] ?? ''));
}

function mostBits(address: string): number {
  return isIP(address) === 4 ? 32 : 128;
}

async function requireGroup(scope: Scope, { type, action }: Rule): Promise<void> {
  if (type !== 'group') return;
  const rows = await ifReadable(scope, apiPath`/cluster/firewall/groups`);
  const names = rows?.map(({ group }) => String(group));
  if (names === undefined || names.includes(action)) return;
  throw refused(
    scope,
    `there is no security group ${inQuotes(action)}.${didYouMean(action, names)} There are: ${someOf(names, 30) || 'none'}`,
  );
}

async function requireMacro(scope: Scope, { macro }: Rule): Promise<void> {
  if (macro === undefined) return;
  const rows = await ifReadable(scope, apiPath`/cluster/firewall/macros`);
  const names = rows?.map((row) => String(row.macro));
  if (names === undefined || names.includes(macro)) return;
  throw refused(
    scope,
    `there is no macro ${inQuotes(macro)}.${didYouMean(macro, names)} list_firewall_objects with kind macro shows them`,
  );
}

/** Aliases and sets by their names: a rule with one that is not there is left out without a word. */
async function requireNames(scope: Scope, rule: Rule): Promise<void> {
  const wanted = namedIn(rule);
  if (wanted.length === 0) return;
  const rows = await ifReadable(scope, scope.guest ? scope.at('refs') : apiPath`/cluster/firewall/refs`);
  if (rows === undefined) return;
  const known = rows.flatMap((row) => {
    const { type, name, scope: from } = row;
    const sign = type === 'ipset' ? '+' : '';
    const ref = textOf(row.ref) ?? `${sign}${String(from)}/${String(name)}`;
    return [`${sign}${String(name)}`, ref];
  });
  const missing = wanted.find((part) => !known.some((one) => one.toLowerCase() === part.toLowerCase()));
  if (missing === undefined) return;
  const kind = missing.startsWith('+') ? 'IP set' : 'alias';
  throw refused(
    scope,
    `there is no ${kind} ${inQuotes(missing)}.${didYouMean(missing, known)} save_firewall_object makes one`,
  );
}

/** The aliases and sets that a rule names, as it writes them. */
export function namedIn({ source, dest }: Pick<Rule, 'source' | 'dest'>): string[] {
  const named = [...parts(source), ...parts(dest)].filter((part) => !isAddress(part));
  // What SDN makes is not among the references of every version.
  return named.filter((part) => !part.includes('sdn/'));
}

/** What can't be read is for Proxmox to judge. */
async function ifReadable({ cluster }: Scope, path: Parameters<typeof read>[1]) {
  try {
    return rowsOf(await read(cluster, path));
  } catch (error) {
    if (toCallError(error).code === 'PERMISSION_DENIED' || toCallError(error).code === 'POLICY_DENIED')
      return undefined;
    throw error;
  }
}

function refused({ cluster }: Scope, problem: string): CallError {
  return new CallError('INVALID_ARGUMENTS', `Such a rule can't be: ${problem}.`, {
    cluster: cluster.name,
    hint: 'Correct the rule. Nothing was sent.',
  });
}
