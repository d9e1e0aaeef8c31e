import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';

export const FIREWALL_SETUP: readonly SetupCall[] = [
  { line: 'POST /cluster/firewall/aliases', data: { name: 'office', cidr: '192.0.2.0/24' } },
  {
    line: 'POST /cluster/firewall/rules',
    data: { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '443', comment: 'second', enable: 1 },
  },
  {
    line: 'POST /cluster/firewall/rules',
    data: { type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '80', comment: 'first', enable: 1 },
  },
];

export const FIREWALL_CALLS: ToolCallTable = {
  get_firewall: { cluster, vmid: 100 },
  set_firewall_options: { cluster, vmid: 100, enable: true, policy_in: 'DROP' },
  list_firewall_rules: { cluster },
  save_firewall_rule: { cluster, type: 'in', action: 'ACCEPT', proto: 'tcp', dport: '22', source: 'office' },
  move_firewall_rule: { cluster, pos: 0, expect: { comment: 'first' }, to: 2 },
  delete_firewall_rule: { cluster, pos: 0, expect: { comment: 'first' } },
  list_firewall_objects: { cluster, kind: 'alias' },
  save_firewall_object: { cluster, kind: 'ipset', object: 'admins', entries: ['192.0.2.0/24 # office'] },
  delete_firewall_object: { cluster, kind: 'alias', object: 'office' },
  get_firewall_log: { cluster, vmid: 100 },
};
