import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { compact, rowsOf, textOf } from '../results.ts';

export const APPLIANCE_CALLS = [
  ['GET', '/cluster/resources'],
  ['GET', '/nodes/{node}/aplinfo'],
] as const;

/** A container template that Proxmox offers. */
export interface Appliance {
  template: string;
  package?: string;
  version?: string;
  os?: string;
  section?: string;
  headline?: string;
}

/** The list that the node fetched last (`pveam update`). @throws CallError */
export async function readAppliances(cluster: GatedCluster, node: string): Promise<Appliance[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/aplinfo` });
  return rowsOf(data).flatMap((row) => {
    const template = textOf(row.template);
    if (template === undefined) return [];
    const { package: name, version, os, section, headline } = row;
    const texts = { package: textOf(name), version: textOf(version), os: textOf(os) };
    return [{ template, ...compact({ ...texts, section: textOf(section), headline: textOf(headline) }) }];
  });
}
