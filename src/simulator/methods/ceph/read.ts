import { failure, invalidParameters } from '../../errors.ts';
import type { CephPool, CephState } from '../../state/ceph.ts';
import type { ClusterState } from '../../state/cluster-state.ts';
import { items, served } from '../declare.ts';
import { type Call, Listing, type Method, number, text } from '../method.ts';
import { checks, fill, isUp, requireCeph, status } from './health.ts';

const VERSION = 'ceph version 19.2.3 (simulated) squid (stable)';

const FLAGS: Record<string, string> = {
  nobackfill: 'Data is not copied to new places',
  'nodeep-scrub': 'Deep scrubs do not start',
  nodown: 'OSDs are not marked down',
  noin: 'OSDs are not marked in when they start',
  noout: 'OSDs are not marked out after a while',
  norebalance: 'Data stays where it is',
  norecover: 'Lost copies are not made again',
  noscrub: 'Scrubs do not start',
  notieragent: 'Tiers are not moved between',
  noup: 'OSDs are not marked up',
  pause: 'Nothing is read or written',
};

function osdTree(call: Call): unknown {
  const ceph = requireCeph(call);
  const used = fill(ceph);
  const weight = (bytes: number): number => Math.round((bytes / 1024 ** 4) * 10_000) / 10_000;
  const hosts = [...new Set(ceph.osds.map(({ host }) => host))].map((host, index) => ({
    id: String(-2 - index),
    name: host,
    type: 'host',
    leaf: 0,
    children: ceph.osds
      .filter((osd) => osd.host === host)
      .map((osd) => ({
        id: String(osd.id),
        name: `osd.${osd.id}`,
        type: 'osd',
        leaf: 1,
        host,
        status: isUp(call.state, osd) ? 'up' : 'down',
        in: osd.in ? 1 : 0,
        reweight: osd.in ? 1 : 0,
        crush_weight: weight(osd.size),
        device_class: 'nvme',
        osdtype: 'bluestore',
        ceph_version_short: '19.2.3',
        total_space: osd.size,
        bytes_used: osd.in ? Math.floor(osd.size * used) : 0,
        percent_used: osd.in ? used * 100 : 0,
        pgs: 58,
        commit_latency_ms: 1,
        apply_latency_ms: 1,
      })),
  }));
  return {
    flags: ceph.flags.join(','),
    root: { leaf: 0, children: [{ id: '-1', name: 'default', type: 'root', leaf: 0, children: hosts }] },
  };
}

type Service = 'mon' | 'mgr' | 'mds';

function services(kind: Service, names: (ceph: CephState) => string[]) {
  return (call: Call): unknown => {
    const ceph = requireCeph(call);
    return names(ceph).map((name, rank) => {
      const node = call.state.nodes.find((candidate) => candidate.name === name);
      const up = node?.online ?? false;
      const standby = rank > 0 ? 'standby' : 'active';
      return {
        name,
        host: name,
        addr: `${node?.ip}:${kind === 'mon' ? 6789 : 6800 + rank}/0`,
        state: up ? (kind === 'mon' ? 'running' : kind === 'mds' ? `up:${standby}` : standby) : 'unknown',
        service: 1,
        direxists: 1,
        ceph_version: VERSION,
        ceph_version_short: '19.2.3',
        ...(kind === 'mon' ? { rank, quorum: up ? 1 : 0 } : {}),
      };
    });
  };
}

function poolRow(ceph: CephState, pool: CephPool): Record<string, unknown> {
  const { stored, application, ...shown } = pool;
  return {
    ...shown,
    type: 'replicated',
    crush_rule: 0,
    crush_rule_name: 'replicated_rule',
    pg_num_final: pool.pg_num,
    bytes_used: stored * pool.size,
    percent_used: fill(ceph),
    application_metadata: { [application]: {} },
  };
}

function poolStatus(call: Call): unknown {
  const ceph = requireCeph(call);
  const name = text(call, 'name');
  const pool = ceph.pools.find(({ pool_name }) => pool_name === name);
  if (!pool) throw failure(`error with 'osd pool get': unrecognized pool '${name}'`);
  const { pool: id, application, stored: _stored, pool_name, ...shown } = pool;
  return {
    id,
    name: pool_name,
    ...shown,
    application,
    application_list: [application],
    crush_rule: 'replicated_rule',
  };
}

function flags(call: Call): unknown {
  const ceph = requireCeph(call);
  return Object.entries(FLAGS).map(([name, description]) => {
    return { name, description, value: ceph.flags.includes(name) ? 1 : 0 };
  });
}

function flagOf(call: Call): number {
  const { flags: set } = requireCeph(call);
  const name = text(call, 'flag');
  if (!Object.hasOwn(FLAGS, name)) throw invalidParameters({ flag: `unknown flag '${name}'` });
  return set.includes(name) ? 1 : 0;
}

function metadata(call: Call): unknown {
  const ceph = requireCeph(call);
  const daemons = (names: string[]): Record<string, unknown> => {
    return Object.fromEntries(
      names.map((name) => [`${name}@${name}`, { hostname: name, ceph_version: VERSION, name }]),
    );
  };
  return {
    mon: daemons(ceph.monitors),
    mgr: daemons(ceph.managers),
    mds: daemons(ceph.metadataServers),
    osd: ceph.osds.map(({ id, host }) => ({ id, hostname: host, ceph_version: VERSION })),
    node: Object.fromEntries(
      call.state.nodes.map(({ name }) => [name, { version: { str: '19.2.3', parts: ['19', '2', '3'] } }]),
    ),
  };
}

function settingsOf({ fsid, monitors }: CephState, state: ClusterState): Record<string, string> {
  const addresses = state.nodes.filter(({ name }) => monitors.includes(name)).map(({ ip }) => ip);
  return {
    auth_client_required: 'cephx',
    auth_cluster_required: 'cephx',
    auth_service_required: 'cephx',
    cluster_network: '192.0.2.0/24',
    fsid,
    mon_host: addresses.join(' '),
    osd_pool_default_min_size: '2',
    osd_pool_default_size: '3',
    public_network: '192.0.2.0/24',
  };
}

function raw(call: Call): string {
  const lines = Object.entries(settingsOf(requireCeph(call), call.state)).map(
    ([key, value]) => `\t${key} = ${value}`,
  );
  return `[global]\n${lines.join('\n')}\n`;
}

function values(call: Call): unknown {
  const known = settingsOf(requireCeph(call), call.state);
  const found: Record<string, Record<string, string>> = {};
  for (const item of items(text(call, 'config-keys'))) {
    const [section = '', key = ''] = item.split(':');
    const value = known[key.replaceAll('-', '_')];
    if (value !== undefined) found[section] = { ...found[section], [key]: value };
  }
  return found;
}

function crush(call: Call): string {
  const ceph = requireCeph(call);
  const devices = ceph.osds.map(({ id }) => `device ${id} osd.${id} class nvme`);
  return [
    '# begin crush map',
    ...devices,
    'rule replicated_rule {',
    '\tid 0',
    '\ttype replicated',
    '}',
    '# end crush map',
    '',
  ].join('\n');
}

function log(call: Call): Listing {
  const ceph = requireCeph(call);
  const minute = Math.floor(call.state.clock() / 60_000);
  const trouble = Object.entries(checks(call.state, ceph)).map(
    ([name, { summary }]) => `cluster [WRN] ${name}: ${summary.message}`,
  );
  const quiet = Array.from({ length: 20 }, () => 'cluster [DBG] pgmap: all groups active+clean');
  const lines = [...quiet, ...trouble].map((line, index) => {
    return {
      n: index + 1,
      t: `${new Date((minute - 20 + index) * 60_000).toISOString()} mon.${ceph.monitors[0]} ${line}`,
    };
  });
  const start = number(call, 'start');
  return new Listing(lines.slice(start, start + number(call, 'limit', 50)), lines.length);
}

const path = '/nodes/{node}/ceph';

export const cephReadMethods: Method[] = [
  served('GET', '/cluster/ceph/status', (call) => status(call, requireCeph(call))),
  served('GET', `${path}/status`, (call) => status(call, requireCeph(call))),
  served('GET', '/cluster/ceph/metadata', metadata),
  served('GET', '/cluster/ceph/flags', flags),
  served('GET', '/cluster/ceph/flags/{flag}', flagOf),
  served('GET', `${path}/osd`, osdTree),
  served(
    'GET',
    `${path}/mon`,
    services('mon', ({ monitors }) => monitors),
  ),
  served(
    'GET',
    `${path}/mgr`,
    services('mgr', ({ managers }) => managers),
  ),
  served(
    'GET',
    `${path}/mds`,
    services('mds', ({ metadataServers }) => metadataServers),
  ),
  served('GET', `${path}/pool`, (call) =>
    requireCeph(call).pools.map((pool) => poolRow(requireCeph(call), pool)),
  ),
  served('GET', `${path}/pool/{name}/status`, poolStatus),
  served('GET', `${path}/fs`, (call) => requireCeph(call).filesystems),
  served('GET', `${path}/rules`, (call) => requireCeph(call) && [{ name: 'replicated_rule' }]),
  served('GET', `${path}/crush`, crush),
  served('GET', `${path}/log`, log),
  served('GET', `${path}/cfg/raw`, raw),
  served('GET', `${path}/cfg/db`, (call) => {
    requireCeph(call);
    return [
      {
        section: 'mgr',
        name: 'mgr/balancer/active',
        value: 'true',
        level: 'advanced',
        mask: '',
        can_update_at_runtime: 1,
      },
    ];
  }),
  served('GET', `${path}/cfg/value`, values),
];
