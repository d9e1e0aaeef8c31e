import { expect, it } from 'vitest';
import type { Inventory } from '../../../../src/clusters/inventory.ts';
import type { Tool, ToolContext } from '../../../../src/tools/define.ts';
import { clusterCapacity } from '../../../../src/tools/inventory/cluster-capacity.ts';
import { compareClusters } from '../../../../src/tools/inventory/compare-clusters.ts';
import { gateFor } from '../../../support/gate.ts';
import { RecordingCluster } from '../../../support/recording-cluster.ts';

/** What clients take whole, with room for what the transport adds. */
const MOST_CHARACTERS = 75_000;

/** A cluster of 32 nodes with 40 storages on each and 300 guests, none of which is like another cluster's. */
class LargeCluster extends RecordingCluster {
  override async inventory(): Promise<never> {
    const nodes = Array.from({ length: 32 }, (_, at) => `${this.name}-node-${at}`);
    const inventory: Inventory = {
      nodes: nodes.map((node, at) => ({
        node,
        status: 'online',
        cpus: 64,
        cpuFraction: at / 64,
        memBytes: at * 2 ** 30,
        maxMemBytes: 2 ** 38,
      })),
      guests: Array.from({ length: 300 }, (_, at) => ({
        id: `qemu/${100 + at}`,
        type: 'qemu',
        vmid: 100 + at,
        node: nodes[at % 32] ?? '',
        name: `${this.name}-guest-${at}`,
        status: 'running',
        template: at % 3 === 0,
        tags: [],
        cpus: 4,
        cpuFraction: 0.5,
        memBytes: at * 2 ** 20,
        maxMemBytes: 2 ** 33,
        maxDiskBytes: 2 ** 35,
      })),
      storages: nodes.flatMap((node) =>
        Array.from({ length: 40 }, (_, at) => ({
          id: `storage/${node}/disks-${at}`,
          storage: `disks-${at}`,
          node,
          status: 'available',
          shared: false,
          content: ['images', 'rootdir'],
          usedBytes: at * 2 ** 30,
          totalBytes: 2 ** 40,
        })),
      ),
      rows: [{ type: 'qemu' }],
      asOf: 0,
    };
    return inventory as never;
  }

  override reply = ({ path }: { path: { toString(): string } }): unknown => {
    const rows = (of: (at: number) => object) => Array.from({ length: 60 }, (_, at) => of(at));
    if (path.toString().endsWith('/version')) return { version: `9.2.${this.name.length}` };
    if (path.toString().endsWith('/network')) return rows((at) => ({ iface: `vmbr${at}`, type: 'bridge' }));
    if (path.toString().endsWith('/roles'))
      return rows((at) => ({ roleid: `${this.name}-${at}`, privs: 'VM.Audit' }));
    return rows((at) => ({
      storage: `${this.name}-${at}`,
      type: 'nfs',
      server: 's',
      export: `/e${at}`,
      id: `job-${at}`,
    }));
  };
}

const gate = gateFor();

async function run(tool: Tool, args: object) {
  const { signal } = new AbortController();
  const principal = { id: 'alice', subject: 'alice', scopes: new Set(['proxmox:read']) };
  const origin = { principal, requestId: 'r', tool: tool.name, door: 'test', signal };
  const clusters = Array.from({ length: 20 }, (_, at) =>
    gate.open({ cluster: new LargeCluster(`cluster-${at}`), selectedBy: 'any' }, origin as never),
  );
  const context = { fleet: () => ({ clusters, isAll: true }), signal } as unknown as ToolContext;
  return tool.prepare(args).run(context);
}

it.each([
  ['cluster_capacity', clusterCapacity, { limit: 200, cpus: 2, memory: '4G', disk: '10G' }],
  ['cluster_capacity without a disk', clusterCapacity, { memory: '500G' }],
  ['compare_clusters', compareClusters, { limit: 500, details: true }],
])(
  'the answer about 20 clusters of 32 nodes is one that clients take whole: %s',
  async (_what, tool, args) => {
    const { structured, summary } = await run(tool, args);
    expect(JSON.stringify(structured).length).toBeLessThan(MOST_CHARACTERS);
    expect(summary.length).toBeLessThan(2000);
    if (tool === compareClusters) expect(structured.next_offset).toBeGreaterThan(0);
    else expect(structured.note).toContain('raise `limit`');
  },
);
