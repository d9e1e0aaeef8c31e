import { failure } from '../errors.ts';
import { findNode, type Node } from '../state/cluster-state.ts';
import { nodeFigures, storageFigures } from '../state/figures.ts';
import { versionOf } from './cluster.ts';
import { type Call, index, type Method, node, text } from './method.ts';
import { nodeRows } from './resources.ts';

const KERNEL = {
  sysname: 'Linux',
  release: '7.0.6-2-pve',
  version: '#1 SMP PREEMPT_DYNAMIC PMX 7.0.6-2',
  machine: 'x86_64',
};

/** Of a processor that has x86-64-v3. */
const FLAGS =
  'fpu sse sse2 ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes avx f16c rdrand lahf_lm abm bmi1 avx2 bmi2';

function requireNode(call: Call): Node {
  const found = findNode(call.state, text(call, 'node'));
  if (!found) throw failure(`no such cluster node '${text(call, 'node')}'`);
  return found;
}

function status(call: Call): unknown {
  const host = requireNode(call);
  const { cpu, mem, uptime } = nodeFigures(call.state, host);
  const local = call.state.storages.find((storage) => storage.storage === 'local');
  const { used, total } = local ? storageFigures(call.state, host.name, local) : { used: 0, total: 0 };
  const load = cpu * host.cpus;
  const release = versionOf(call.state);
  return {
    uptime,
    cpu,
    wait: 0,
    idle: 0,
    loadavg: [load * 1.1, load, load * 0.9].map((value) => value.toFixed(2)),
    cpuinfo: {
      cpus: host.cpus,
      cores: host.cpus / 2,
      sockets: 1,
      model: host.cpuModel ?? 'Simulated Processor',
      flags: host.cpuFlags ?? FLAGS,
      mhz: '2900.000',
    },
    memory: { total: host.memory, used: mem, free: host.memory - mem, available: host.memory - mem },
    swap: { total: 0, used: 0, free: 0 },
    rootfs: { total, used, free: total - used, avail: total - used },
    ksm: { shared: 0 },
    pveversion: `pve-manager/${release.version}/${release.repoid}`,
    kversion: `${KERNEL.sysname} ${KERNEL.release} ${KERNEL.version}`,
    'current-kernel': KERNEL,
    'boot-info': { mode: 'efi', secureboot: 0 },
  };
}

export const nodeMethods: Method[] = [
  { method: 'GET', path: '/nodes', permissions: { user: 'all' }, handler: nodeRows },
  {
    method: 'GET',
    path: '/nodes/{node}',
    properties: { node },
    permissions: { user: 'all' },
    handler: () => index('name', ['lxc', 'qemu', 'status', 'storage', 'tasks', 'version']),
  },
  {
    method: 'GET',
    path: '/nodes/{node}/status',
    properties: { node },
    permissions: { check: ['perm', '/nodes/{node}', ['Sys.Audit']] },
    handler: status,
  },
  {
    method: 'GET',
    path: '/nodes/{node}/version',
    properties: { node },
    permissions: { user: 'all' },
    handler: ({ state }) => versionOf(state),
  },
];
