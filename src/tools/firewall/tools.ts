import type { Tool } from '../define.ts';
import { deleteFirewallObject } from './delete-firewall-object.ts';
import { deleteFirewallRule } from './delete-firewall-rule.ts';
import { getFirewall } from './get-firewall.ts';
import { getFirewallLog } from './get-firewall-log.ts';
import { listFirewallObjects } from './list-firewall-objects.ts';
import { listFirewallRules } from './list-firewall-rules.ts';
import { moveFirewallRule } from './move-firewall-rule.ts';
import { saveFirewallObject } from './save-firewall-object.ts';
import { saveFirewallRule } from './save-firewall-rule.ts';
import { setFirewallOptions } from './set-firewall-options.ts';

/** The toolset `firewall`, in the order in which clients see it. */
export const FIREWALL_TOOLS: readonly Tool[] = [
  getFirewall,
  setFirewallOptions,
  listFirewallRules,
  saveFirewallRule,
  moveFirewallRule,
  deleteFirewallRule,
  listFirewallObjects,
  saveFirewallObject,
  deleteFirewallObject,
  getFirewallLog,
];
