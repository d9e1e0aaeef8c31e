import { GIB } from './sizes.ts';

export interface CephOsd {
  id: number;
  host: string;
  device: string;
  /** bytes */
  size: number;
  in: boolean;
  /** Stopped by hand; an OSD of an offline node is down too. */
  stopped?: boolean;
}

export interface CephPool {
  pool: number;
  pool_name: string;
  size: number;
  min_size: number;
  pg_num: number;
  application: string;
  /** bytes stored, before replication */
  stored: number;
  [option: string]: string | number;
}

export interface CephState {
  fsid: string;
  osds: CephOsd[];
  pools: CephPool[];
  monitors: string[];
  managers: string[];
  metadataServers: string[];
  filesystems: { name: string; metadata_pool: string; data_pool: string }[];
  flags: string[];
}

const OSDS_PER_NODE = 2;
const OSD_BYTES = 1788 * GIB;

/** A small hyper-converged Ceph: two OSDs, a monitor and a manager on each node. */
export function newCeph(nodes: string[]): CephState {
  const pool = (id: number, name: string, application: string, stored: number, pgs: number): CephPool => ({
    pool: id,
    pool_name: name,
    size: 3,
    min_size: 2,
    pg_num: pgs,
    pg_autoscale_mode: 'on',
    application,
    stored,
  });
  return {
    fsid: '4b1f0c9e-5d3a-4c60-9b7e-2f6a1d8c7e05',
    osds: nodes.flatMap((host, position) => {
      return Array.from({ length: OSDS_PER_NODE }, (_item, disk) => ({
        id: position * OSDS_PER_NODE + disk,
        host,
        device: `/dev/nvme${disk + 1}n1`,
        size: OSD_BYTES,
        in: true,
      }));
    }),
    pools: [
      pool(1, '.mgr', 'mgr', 4 * 1024 ** 2, 1),
      pool(2, 'vms', 'rbd', 640 * GIB, 128),
      pool(3, 'cephfs_metadata', 'cephfs', GIB, 16),
      pool(4, 'cephfs_data', 'cephfs', 210 * GIB, 32),
    ],
    monitors: nodes.slice(0, 3),
    managers: nodes.slice(0, 2),
    metadataServers: nodes.slice(0, 2),
    filesystems: [{ name: 'cephfs', metadata_pool: 'cephfs_metadata', data_pool: 'cephfs_data' }],
    flags: [],
  };
}
