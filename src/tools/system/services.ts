import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { compact, rowsOf, textOf } from '../results.ts';

export const SERVICE_CALLS = [['GET', '/nodes/{node}/services']] as const;

export interface ServiceRow {
  service: string;
  state: string;
  enabled?: string;
  description?: string;
}

export async function readServices(cluster: GatedCluster, node: string): Promise<ServiceRow[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/services` });
  return rowsOf(data).map((row) => ({
    service: textOf(row.service) ?? String(row.name),
    state: textOf(row.state) ?? 'unknown',
    ...compact({ enabled: textOf(row['unit-state']), description: textOf(row.desc) }),
  }));
}
