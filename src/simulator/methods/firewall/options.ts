import { type FirewallScope, firewallOf } from '../../state/firewall.ts';
import { digestOf, refuseStale, updateEntry } from '../../state/section.ts';
import { ANYONE, booleans, choice, declare, scatter, served, UPDATE } from '../declare.ts';
import { type Call, Listing, type Method, number, optionalText, string } from '../method.ts';
import { ALL_SCOPES, GUESTS, LOG_LEVEL, type Scope, VNET, WITH_LOG } from './scope.ts';

/** What the rules can name instead of protocol and port. */
const MACROS: Record<string, string> = {
  BGP: 'Routes between autonomous systems',
  Ceph: 'The daemons of a Ceph cluster',
  DNS: 'Name resolution over UDP and TCP',
  HTTP: 'Web pages in the clear',
  HTTPS: 'Web pages over TLS',
  IMAPS: 'Mailboxes over TLS',
  LDAPS: 'Directories over TLS',
  MySQL: 'MySQL and MariaDB',
  NTP: 'Time',
  Ping: 'ICMP echo',
  PostgreSQL: 'PostgreSQL',
  RDP: 'Remote desktops of Windows',
  Redis: 'Redis',
  SMTP: 'Mail between servers',
  SSH: 'Secure shell',
  Web: 'HTTP and HTTPS',
};

const show = (scope: FirewallScope): unknown => ({ ...scope.options, digest: digestOf(scope.options) });

function optionMethods(scope: Scope): Method[] {
  const path = `${scope.path}/options`;
  const read = (call: Call): unknown => show(scope.of(call));
  const write = (call: Call): null => {
    const { options } = scope.of(call, 'change');
    refuseStale(call.parameters, options);
    updateEntry(options, call.parameters, 'vmid', 'vnet');
    return null;
  };
  if (scope !== VNET) return [served('GET', path, read), served('PUT', path, write, scope.newer)];
  const properties = {
    vnet: string,
    ...booleans('enable'),
    log_level_forward: LOG_LEVEL,
    policy_forward: choice('ACCEPT', 'DROP'),
  };
  return [
    declare('GET', path, ANYONE, { vnet: string }, read),
    declare('PUT', path, ANYONE, { ...properties, ...UPDATE }, write),
  ];
}

/** What rules of this scope can refer to: its own names and those of the cluster. */
function references(call: Call, own: FirewallScope): unknown {
  const type = optionalText(call, 'type');
  const cluster = firewallOf(call.state.datacenter.firewalls, 'cluster');
  const scopes: [string, FirewallScope][] =
    own === cluster
      ? [['dc', own]]
      : [
          ['dc', cluster],
          ['guest', own],
        ];
  return scopes.flatMap(([scope, { aliases, ipsets }]) => {
    const named = Object.entries(aliases).map(([name, { comment }]) => ({
      type: 'alias',
      name,
      comment,
      sign: '',
    }));
    const sets = Object.entries(ipsets).map(([name, { comment }]) => ({
      type: 'ipset',
      name,
      comment,
      sign: '+',
    }));
    return [...named, ...sets]
      .filter((row) => type === undefined || row.type === type)
      .map(({ sign, comment, ...row }) => ({
        ...row,
        scope,
        ref: `${sign}${scope}/${row.name}`,
        ...(comment === undefined ? {} : { comment }),
      }));
  });
}

const LINES = 12;

/** Dropped packets of the last hours; none while the firewall is off. */
function log(call: Call, { options }: FirewallScope): Listing {
  if (!options.enable) return new Listing([{ n: 1, t: 'no content' }], 1);
  const hour = Math.floor(call.state.clock() / 3_600_000);
  const guest = number(call, 'vmid');
  const rows = Array.from({ length: LINES }, (_item, index) => {
    const at = new Date((hour - LINES + index) * 3_600_000).toISOString();
    const port = 1024 + Math.floor(scatter(hour - LINES + index, guest) * 60_000);
    const packet = `SRC=198.51.100.${(index * 17) % 250} DST=192.0.2.50 PROTO=TCP SPT=${port} DPT=23`;
    return { n: index + 1, t: `${guest} 6 DROP ${at} policy DROP: ${packet}` };
  });
  const start = number(call, 'start');
  return new Listing(rows.slice(start, start + number(call, 'limit', 50)), rows.length);
}

export const firewallOptionMethods: Method[] = [
  ...ALL_SCOPES.flatMap(optionMethods),
  ...WITH_LOG.map((scope) => served('GET', `${scope.path}/log`, (call) => log(call, scope.of(call)))),
  ...GUESTS.map((scope) => served('GET', `${scope.path}/refs`, (call) => references(call, scope.of(call)))),
  served('GET', '/cluster/firewall/refs', (call) => {
    return references(call, firewallOf(call.state.datacenter.firewalls, 'cluster'));
  }),
  served('GET', '/cluster/firewall/macros', () => {
    return Object.entries(MACROS).map(([macro, descr]) => ({ macro, descr }));
  }),
];
