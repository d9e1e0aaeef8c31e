import type { ApiCall } from '../../define.ts';
import { RIGHTS_CALLS } from './rights.ts';

const RULE = [
  ...['type', 'action', 'enable', 'macro', 'proto', 'source', 'sport', 'dest', 'dport', 'icmp-type'],
  ...['iface', 'log', 'comment'],
];

const JOB = [
  ...['schedule', 'all', 'pool', 'storage', 'node', 'mode', 'compress', 'prune-backups', 'notes-template'],
  ...['bwlimit', 'enabled', 'repeat-missed', 'comment', 'notification-mode', 'mailto', 'mailnotification'],
  ...['exclude-path', 'fleecing', 'ionice', 'lockwait', 'performance', 'pigz', 'zstd', 'protected', 'quiet'],
  ...['pbs-change-detection-mode', 'remove', 'stdexcludes', 'stop', 'stopwait'],
];

/** Every method that making definitions alike may call. */
export const DEFINITION_CALLS: readonly ApiCall[] = [
  ['GET', '/cluster/resources'],
  ['GET', '/pools', 'poolid'],
  ['POST', '/pools', 'poolid', 'comment'],
  ['PUT', '/pools', 'poolid', 'comment'],
  ['DELETE', '/pools', 'poolid'],
  ['GET', '/access/roles'],
  ['POST', '/access/roles', 'roleid', 'privs'],
  ['PUT', '/access/roles/{roleid}', 'privs'],
  ['DELETE', '/access/roles/{roleid}'],
  ...RIGHTS_CALLS,
  ['GET', '/cluster/firewall/aliases'],
  ['POST', '/cluster/firewall/aliases', 'name', 'cidr', 'comment'],
  ['PUT', '/cluster/firewall/aliases/{name}', 'cidr', 'comment', 'digest'],
  ['GET', '/cluster/firewall/ipset'],
  ['POST', '/cluster/firewall/ipset', 'name', 'comment', 'rename'],
  ['GET', '/cluster/firewall/ipset/{name}'],
  ['POST', '/cluster/firewall/ipset/{name}', 'cidr', 'comment', 'nomatch'],
  ['PUT', '/cluster/firewall/ipset/{name}/{cidr}', 'comment', 'nomatch'],
  ['DELETE', '/cluster/firewall/ipset/{name}/{cidr}'],
  ['GET', '/cluster/firewall/macros'],
  ['GET', '/cluster/firewall/groups'],
  ['POST', '/cluster/firewall/groups', 'group', 'comment', 'rename'],
  ['GET', '/cluster/firewall/groups/{group}'],
  ['POST', '/cluster/firewall/groups/{group}', ...RULE],
  ['PUT', '/cluster/firewall/groups/{group}/{pos}', ...RULE, 'delete', 'digest', 'moveto'],
  ['DELETE', '/cluster/firewall/groups/{group}/{pos}', 'digest'],
  ['GET', '/cluster/backup'],
  ['POST', '/cluster/backup', 'id', ...JOB],
  ['PUT', '/cluster/backup/{id}', ...JOB, 'delete'],
  ['DELETE', '/cluster/backup/{id}'],
];
