import type { BackupJob, StorageType } from './state/cluster-state.ts';
import type { GuestType } from './state/guest.ts';
import type { SavedState } from './state/saving.ts';

export interface SnapshotSpec {
  name: string;
  description?: string;
  /** The snapshot it was taken on top of; without one it is a root of the tree. */
  parent?: string;
  ageHours?: number;
  vmstate?: boolean;
}

export interface BackupSpec {
  storage?: string;
  ageDays: number;
  notes?: string;
  protected?: boolean;
}

export interface GuestSpec {
  vmid: number;
  type: GuestType;
  node: string;
  name: string;
  status?: 'running' | 'stopped';
  template?: boolean;
  cores?: number;
  memoryMib?: number;
  diskGib?: number;
  storage?: string;
  tags?: string[];
  pool?: string;
  lock?: string;
  /** Further configuration options, as the guest's configuration file has them. */
  config?: Record<string, string | number>;
  snapshots?: SnapshotSpec[];
  backups?: BackupSpec[];
}

export interface StorageSpec {
  storage: string;
  type: StorageType;
  content: string[];
  /** On which nodes; without the list on all of them. */
  nodes?: string[];
  shared?: boolean;
  totalGib?: number;
  /** Further options of the storage's definition: path, vgname, thinpool, server, export. */
  options?: Record<string, string>;
}

interface NodeSpec {
  name: string;
  cpus?: number;
  memoryGib?: number;
  /** As /proc/cpuinfo names it; its maker is part of the name. */
  cpuModel?: string;
  /** As in /proc/cpuinfo; default those of x86-64-v3. */
  cpuFlags?: string;
}

interface PoolSpec {
  poolid: string;
  comment?: string;
}

export interface ClusterSpec {
  name: string;
  nodes: NodeSpec[];
  guests?: GuestSpec[];
  /** Default: LOCAL_STORAGES. */
  storages?: StorageSpec[];
  pools?: PoolSpec[];
  backupJobs?: BackupJob[];
  /** Whether Ceph is installed; default no. */
  ceph?: boolean;
  /** What `SimulatedCluster.save` wrote; it stands above everything else but the nodes' names. */
  state?: SavedState;
}

/** What the installer of a host sets up. */
export const LOCAL_STORAGES: StorageSpec[] = [
  {
    storage: 'local',
    type: 'dir',
    content: ['iso', 'vztmpl', 'backup', 'import', 'snippets'],
    totalGib: 94,
    options: { path: '/var/lib/vz' },
  },
  {
    storage: 'local-lvm',
    type: 'lvmthin',
    content: ['images', 'rootdir'],
    totalGib: 816,
    options: { vgname: 'pve', thinpool: 'data' },
  },
];

const SHARED_NFS: StorageSpec = {
  storage: 'nas',
  type: 'nfs',
  content: ['images', 'backup'],
  shared: true,
  totalGib: 7450,
  options: { server: '192.0.2.40', export: '/export/proxmox', path: '/mnt/pve/nas' },
};

/** One export that production and disaster recovery both see, each under its own name. */
const sharedBackups = (storage: string): StorageSpec => ({
  storage,
  type: 'nfs',
  content: ['backup'],
  shared: true,
  totalGib: 11_000,
  options: { server: '192.0.2.41', export: '/export/backups', path: `/mnt/pve/${storage}` },
});

type Details = Omit<GuestSpec, 'vmid' | 'type' | 'node' | 'name'>;

const vm = (vmid: number, node: string, name: string, details: Details): GuestSpec => {
  return { vmid, type: 'qemu', node, name, ...details };
};
const container = (vmid: number, node: string, name: string, details: Details): GuestSpec => {
  return { vmid, type: 'lxc', node, name, ...details };
};

const UPGRADE_TREE: SnapshotSpec[] = [
  { name: 'installed', description: 'Fresh from the template', ageHours: 2160 },
  { name: 'before-upgrade', description: 'Before the nginx upgrade', parent: 'installed', ageHours: 340 },
  { name: 'after-upgrade', parent: 'before-upgrade', ageHours: 330, vmstate: true },
  { name: 'experiment', description: 'HTTP/3 trial', parent: 'before-upgrade', ageHours: 48 },
];

const PRODUCTION: ClusterSpec = {
  name: 'production',
  ceph: true,
  nodes: ['pve1', 'pve2', 'pve3'].map((name) => ({ name, cpus: 32, memoryGib: 128 })),
  storages: [...LOCAL_STORAGES, SHARED_NFS, sharedBackups('backup-nfs')],
  pools: [
    { poolid: 'web', comment: 'Everything customers see' },
    { poolid: 'data', comment: 'Databases and caches' },
  ],
  backupJobs: [
    {
      id: 'nightly',
      enabled: true,
      options: {
        vmid: '100,101,102,110',
        storage: 'backup-nfs',
        schedule: '02:00',
        mode: 'snapshot',
        compress: 'zstd',
        'notes-template': '{{guestname}}',
        'prune-backups': 'keep-daily=7,keep-weekly=4',
      },
    },
  ],
  guests: [
    vm(100, 'pve1', 'web-01', {
      status: 'running',
      pool: 'web',
      cores: 4,
      memoryMib: 8192,
      diskGib: 40,
      tags: ['production', 'web'],
      config: { agent: '1' },
      snapshots: UPGRADE_TREE,
      backups: [
        { storage: 'nas', ageDays: 1, notes: 'web-01' },
        { storage: 'nas', ageDays: 8, notes: 'web-01, before the upgrade', protected: true },
      ],
    }),
    vm(101, 'pve2', 'web-02', {
      status: 'running',
      pool: 'web',
      cores: 4,
      memoryMib: 8192,
      diskGib: 40,
      tags: ['production', 'web'],
      config: { agent: '1' },
      backups: [{ storage: 'nas', ageDays: 1, notes: 'web-02' }],
    }),
    vm(102, 'pve3', 'db-01', {
      status: 'running',
      pool: 'data',
      cores: 8,
      memoryMib: 32768,
      diskGib: 250,
      storage: 'nas',
      tags: ['database', 'production'],
      config: { agent: '1', protection: 1, onboot: 1 },
      snapshots: [{ name: 'schema-v42', description: 'Before migration 43', ageHours: 20 }],
      backups: [
        { storage: 'nas', ageDays: 1, notes: 'db-01' },
        { storage: 'nas', ageDays: 2, notes: 'db-01' },
      ],
    }),
    vm(103, 'pve2', 'build-01', {
      status: 'stopped',
      cores: 16,
      memoryMib: 16384,
      diskGib: 120,
      tags: ['ci'],
    }),
    container(110, 'pve1', 'dns-01', {
      status: 'running',
      cores: 1,
      memoryMib: 512,
      diskGib: 8,
      tags: ['infrastructure', 'production'],
      config: { onboot: 1 },
      snapshots: [
        { name: 'clean', description: 'Installed and configured', ageHours: 900 },
        { name: 'dnssec', parent: 'clean', ageHours: 100 },
      ],
      backups: [{ ageDays: 1, notes: 'dns-01' }],
    }),
    container(111, 'pve2', 'cache-01', {
      status: 'running',
      pool: 'data',
      cores: 2,
      memoryMib: 4096,
      diskGib: 16,
      tags: ['cache', 'production'],
    }),
    container(112, 'pve3', 'legacy-mail', {
      status: 'stopped',
      cores: 2,
      memoryMib: 2048,
      diskGib: 60,
      tags: ['legacy'],
      backups: [{ ageDays: 30, notes: 'legacy-mail, the last one', protected: true }],
    }),
    vm(9000, 'pve1', 'debian-13-base', {
      template: true,
      cores: 2,
      memoryMib: 2048,
      diskGib: 10,
      tags: ['template'],
    }),
  ],
};

const STAGING: ClusterSpec = {
  name: 'staging',
  nodes: ['stg1', 'stg2'].map((name) => ({ name, cpus: 16, memoryGib: 64 })),
  pools: [{ poolid: 'preview', comment: 'One environment per branch' }],
  guests: [
    vm(100, 'stg1', 'staging-web', {
      status: 'running',
      pool: 'preview',
      cores: 2,
      memoryMib: 4096,
      diskGib: 32,
      tags: ['staging', 'web'],
      config: { agent: '1' },
      snapshots: [
        { name: 'release-1', ageHours: 400 },
        { name: 'release-2', parent: 'release-1', ageHours: 72 },
      ],
      backups: [{ ageDays: 3, notes: 'staging-web' }],
    }),
    vm(101, 'stg2', 'staging-db', {
      status: 'stopped',
      cores: 4,
      memoryMib: 8192,
      diskGib: 80,
      tags: ['database', 'staging'],
    }),
    container(200, 'stg1', 'staging-proxy', {
      status: 'running',
      pool: 'preview',
      cores: 1,
      memoryMib: 1024,
      diskGib: 8,
      tags: ['staging'],
      backups: [{ ageDays: 3, notes: 'staging-proxy' }],
    }),
    container(201, 'stg2', 'staging-queue', {
      status: 'stopped',
      cores: 1,
      memoryMib: 1024,
      diskGib: 12,
      tags: ['staging'],
    }),
    vm(9000, 'stg1', 'ubuntu-2404-base', {
      template: true,
      cores: 2,
      memoryMib: 2048,
      diskGib: 12,
      tags: ['template'],
    }),
  ],
};

const DISASTER_RECOVERY: ClusterSpec = {
  name: 'disaster-recovery',
  nodes: [{ name: 'dr1', cpus: 24, memoryGib: 96 }],
  storages: [...LOCAL_STORAGES, sharedBackups('dr-nfs')],
  pools: [{ poolid: 'standby' }],
  guests: [
    vm(100, 'dr1', 'dr-monitor', {
      status: 'running',
      cores: 2,
      memoryMib: 2048,
      diskGib: 20,
      tags: ['monitoring'],
      snapshots: [{ name: 'drill-2026', description: 'State after the yearly drill', ageHours: 1000 }],
      backups: [{ ageDays: 7, notes: 'dr-monitor' }],
    }),
    vm(300, 'dr1', 'dr-web-standby', {
      status: 'stopped',
      pool: 'standby',
      cores: 4,
      memoryMib: 8192,
      diskGib: 40,
      tags: ['standby', 'web'],
    }),
    container(310, 'dr1', 'dr-dns', {
      status: 'running',
      cores: 1,
      memoryMib: 512,
      diskGib: 8,
      tags: ['infrastructure'],
    }),
    container(311, 'dr1', 'dr-archive', {
      status: 'stopped',
      pool: 'standby',
      cores: 1,
      memoryMib: 1024,
      diskGib: 200,
      backups: [{ ageDays: 14, notes: 'dr-archive' }],
    }),
    vm(900, 'dr1', 'dr-debian-base', {
      template: true,
      cores: 2,
      memoryMib: 2048,
      diskGib: 10,
      tags: ['template'],
    }),
  ],
};

/** Three clusters to show and test with: guests' names are unique, VMID 100 exists in each. */
export const DEMO_ESTATE: ClusterSpec[] = [PRODUCTION, STAGING, DISASTER_RECOVERY];
