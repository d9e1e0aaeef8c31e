import type { GatedCluster } from '../../../access/gate.ts';
import { isObject } from '../../../catalogue/json.ts';
import { apiPath } from '../../../proxmox/api-path.ts';
import { quoted } from '../../../proxmox/text.ts';
import { readConfig } from '../../guest-config.ts';
import { targetOf } from '../../guest-target.ts';
import { pooled } from '../../pooled.ts';
import { textOf } from '../../results.ts';
import type { Examined } from './examine.ts';

export const CPU_MODEL_CALLS = [['GET', '/nodes/{node}/status']] as const;

/** What a node is made of. */
export interface Machine {
  cpuModel: string | undefined;
  /** `9.2.11` */
  version: string | undefined;
}

/** Those that tell it. @throws the signal's reason */
export async function machinesOf(
  cluster: GatedCluster,
  nodes: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Machine>> {
  const found = await pooled(nodes, async (node) => {
    try {
      const { data } = await cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/status`, signal });
      const row = isObject(data) ? data : {};
      const cpu = isObject(row.cpuinfo) ? row.cpuinfo : {};
      const version = /^pve-manager\/([^/]+)/.exec(textOf(row.pveversion) ?? '')?.[1];
      return [[node, { cpuModel: textOf(cpu.model), version }]] as const;
    } catch {
      signal.throwIfAborted();
      return [];
    }
  });
  return new Map(found.flat());
}

/** Whether a VM shows its guest the CPU of the node, so that another model may crash it when it moves live. */
export function showsHostCpu(values: Readonly<Record<string, unknown>>): boolean {
  return /^(?:cputype=)?(?:host|max)(?:,|$)/.test(textOf(values.cpu) ?? '');
}

/**
 * Adds to each VM that would move live what keeps it from nodes of another CPU. Nothing is read where all are alike.
 *
 * @throws CallError of a configuration
 */
export async function withCpuModels(
  cluster: GatedCluster,
  examined: readonly Examined[],
  machines: ReadonlyMap<string, Machine>,
): Promise<Examined[]> {
  const models = new Map([...machines].map(([node, { cpuModel }]) => [node, cpuModel]));
  if (new Set([...models.values()].filter(Boolean)).size < 2) return [...examined];
  return pooled(examined, async (one) => {
    if (one.guest.type !== 'qemu' || one.how !== 'live') return one;
    const { values } = await readConfig(targetOf(cluster, one.guest));
    const own = models.get(one.guest.node);
    if (!showsHostCpu(values) || own === undefined) return one;
    const others = [...models].filter(([, model]) => model !== undefined && model !== own);
    const refused = others.map(
      ([node, model]) =>
        [node, `its CPU is another (${quoted(model ?? '')}), and the VM has cpu host`] as const,
    );
    return { ...one, refused: new Map([...refused, ...one.refused]) };
  });
}
