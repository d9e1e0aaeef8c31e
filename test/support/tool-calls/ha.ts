import type { SetupCall, ToolCallTable } from './table.ts';

const cluster = 'production';

export const HA_SETUP: readonly SetupCall[] = [
  { line: 'POST /cluster/ha/resources', data: { sid: 'vm:102', state: 'started' } },
  {
    line: 'POST /cluster/ha/rules',
    data: { rule: 'home', type: 'node-affinity', resources: 'vm:102', nodes: 'pve1,pve3' },
  },
];

export const HA_CALLS: ToolCallTable = {
  list_ha: { cluster },
  save_ha_resource: { cluster, vmid: 101, max_restart: 3 },
  delete_ha_resource: { cluster, vmid: 102 },
  list_ha_rules: { cluster },
  save_ha_rule: { cluster, rule: 'home', nodes: ['pve1'], strict: true },
  delete_ha_rule: { cluster, rule: 'home' },
  move_ha_guest: { cluster, vmid: 102, action: 'migrate', node: 'pve1', wait_seconds: 5 },
};
