import { ApiError } from '../../errors.ts';
import type { CephOsd, CephState } from '../../state/ceph.ts';
import type { ClusterState } from '../../state/cluster-state.ts';
import type { Call } from '../method.ts';

/** Throws what a host says on which Ceph was never set up. */
export function requireCeph({ state }: Pick<Call, 'state'>): CephState {
  const { ceph } = state.datacenter;
  if (!ceph) throw new ApiError(500, 'binary not installed: /usr/bin/ceph-mon');
  return ceph;
}

export function isUp(state: ClusterState, { host, stopped }: CephOsd): boolean {
  return !stopped && (state.nodes.find(({ name }) => name === host)?.online ?? false);
}

const rawUsed = (ceph: CephState): number => {
  return ceph.pools.reduce((sum, { stored, size }) => sum + stored * size, 0);
};

const rawTotal = (ceph: CephState): number => ceph.osds.reduce((sum, { size }) => sum + size, 0);

/** The share of an OSD's space that is in use; all are filled alike. */
export function fill(ceph: CephState): number {
  const available = ceph.osds.filter((osd) => osd.in).reduce((sum, { size }) => sum + size, 0);
  return available === 0 ? 0 : Math.min(1, rawUsed(ceph) / available);
}

type Finding = {
  severity: 'HEALTH_WARN' | 'HEALTH_ERR';
  summary: { message: string; count: number };
  muted: boolean;
};

function finding(message: string, count: number, severity: Finding['severity'] = 'HEALTH_WARN'): Finding {
  return { severity, summary: { message, count }, muted: false };
}

/** What is wrong, by Ceph's own names for it. */
export function checks(state: ClusterState, ceph: CephState): Record<string, Finding> {
  const down = ceph.osds.filter((osd) => !isUp(state, osd));
  const out = ceph.osds.filter((osd) => !osd.in);
  const monitors = ceph.monitors.filter((name) => !state.nodes.find((node) => node.name === name)?.online);
  const used = fill(ceph);
  return {
    ...(down.length > 0 ? { OSD_DOWN: finding(`${down.length} osds down`, down.length) } : {}),
    ...(down.length + out.length > 0
      ? { PG_DEGRADED: finding('Degraded data redundancy', down.length + out.length) }
      : {}),
    ...(monitors.length > 0 ? { MON_DOWN: finding(`${monitors.length} mons down`, monitors.length) } : {}),
    ...(ceph.flags.length > 0
      ? { OSDMAP_FLAGS: finding(`${ceph.flags.join(',')} flag(s) set`, ceph.flags.length) }
      : {}),
    ...(used > 0.95
      ? { OSD_FULL: finding('full osd(s)', 1, 'HEALTH_ERR') }
      : used > 0.85
        ? { OSD_NEARFULL: finding('nearfull osd(s)', 1) }
        : {}),
  };
}

export function status({ state }: Call, ceph: CephState): unknown {
  const found = checks(state, ceph);
  const severities = Object.values(found).map(({ severity }) => severity);
  const worst = severities.includes('HEALTH_ERR') ? 'HEALTH_ERR' : 'HEALTH_WARN';
  const degraded = found.PG_DEGRADED !== undefined;
  const groups = ceph.pools.reduce((sum, { pg_num }) => sum + pg_num, 0);
  const total = rawTotal(ceph);
  const used = rawUsed(ceph);
  const up = ceph.osds.filter((osd) => isUp(state, osd)).length;
  const active = ceph.monitors.filter((name) => state.nodes.find((node) => node.name === name)?.online);
  const broken = degraded ? Math.ceil(groups / 3) : 0;
  return {
    fsid: ceph.fsid,
    health: { status: severities.length === 0 ? 'HEALTH_OK' : worst, checks: found, mutes: [] },
    quorum: active.map((name) => ceph.monitors.indexOf(name)),
    quorum_names: active,
    monmap: { epoch: 3, num_mons: ceph.monitors.length },
    osdmap: {
      epoch: 412,
      num_osds: ceph.osds.length,
      num_up_osds: up,
      num_in_osds: ceph.osds.filter((osd) => osd.in).length,
    },
    mgrmap: {
      available: true,
      active_name: ceph.managers[0],
      num_standbys: Math.max(0, ceph.managers.length - 1),
    },
    fsmap: {
      epoch: 9,
      by_rank: ceph.metadataServers.slice(0, 1).map((name) => ({ name, rank: 0, status: 'up:active' })),
    },
    pgmap: {
      num_pgs: groups,
      num_pools: ceph.pools.length,
      bytes_total: total,
      bytes_used: used,
      bytes_avail: total - used,
      data_bytes: ceph.pools.reduce((sum, { stored }) => sum + stored, 0),
      pgs_by_state: [
        ...(groups > broken ? [{ state_name: 'active+clean', count: groups - broken }] : []),
        ...(broken > 0 ? [{ state_name: 'active+undersized+degraded', count: broken }] : []),
      ],
    },
  };
}
