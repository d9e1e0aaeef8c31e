import { requireGuest } from '../../state/cluster-state.ts';
import { type FirewallScope, firewallOf } from '../../state/firewall.ts';
import { sectionOf } from '../../state/sdn.ts';
import { requireEntry } from '../../state/section.ts';
import type { Properties } from '../../verify.ts';
import { booleans, choice, require, requireNode } from '../declare.ts';
import { type Call, number, text } from '../method.ts';

export const LOG_LEVEL = choice(
  ...['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug', 'nolog'],
);

/** Where a firewall lies in the API, and which one a call means. */
export interface Scope {
  path: string;
  of: (call: Call, change?: 'change') => FirewallScope;
  /** Options that the built-in schema is too old for. */
  newer?: Properties;
}

const CLUSTER: Scope = {
  path: '/cluster/firewall',
  newer: { policy_forward: choice('ACCEPT', 'DROP') },
  of: ({ state }) => firewallOf(state.datacenter.firewalls, 'cluster'),
};

const NODE: Scope = {
  path: '/nodes/{node}/firewall',
  newer: { log_level_forward: LOG_LEVEL, ...booleans('nftables') },
  of: (call) => {
    const { name } = requireNode(call.state, text(call, 'node'));
    return firewallOf(call.state.datacenter.firewalls, `node/${name}`);
  },
};

const guestScope = (type: 'qemu' | 'lxc'): Scope => ({
  path: `/nodes/{node}/${type}/{vmid}/firewall`,
  of: (call) => {
    const { vmid } = requireGuest(call.state, text(call, 'node'), type, number(call, 'vmid'));
    return firewallOf(call.state.datacenter.firewalls, `guest/${vmid}`);
  },
});

/** Its privileges are checked here: they are those of the vnet's zone, which no parameter names. */
export const VNET: Scope = {
  path: '/cluster/sdn/vnets/{vnet}/firewall',
  of: (call, change) => {
    const { datacenter } = call.state;
    const vnet = text(call, 'vnet');
    const { zone } = requireEntry(
      sectionOf(datacenter.sdn.config, 'vnets'),
      vnet,
      `vnet '${vnet}' does not exist`,
    );
    const privileges = change ? ['SDN.Allocate'] : ['SDN.Audit', 'SDN.Allocate'];
    require(call, `/sdn/zones/${zone}/${vnet}`, ...privileges);
    return firewallOf(datacenter.firewalls, `vnet/${vnet}`);
  },
};

export const GUESTS: Scope[] = [guestScope('qemu'), guestScope('lxc')];
/** With aliases and sets of addresses of their own. */
export const WITH_NAMES: Scope[] = [CLUSTER, ...GUESTS];
export const ALL_SCOPES: Scope[] = [...WITH_NAMES, NODE, VNET];
/** With a log of their own. */
export const WITH_LOG: Scope[] = [NODE, ...GUESTS];
