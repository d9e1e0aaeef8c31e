import { createHash } from 'node:crypto';
import { failure, invalidParameters } from '../../errors.ts';
import { guestFigures, nodeFigures, storageFigures } from '../../state/figures.ts';
import { digestOf, refuseStale, updateEntry } from '../../state/section.ts';
import {
  ARCHITECTURE,
  booleans,
  choice,
  declare,
  integers,
  on,
  requireNode,
  served,
  texts,
} from '../declare.ts';
import { type Call, type Method, number, optionalText } from '../method.ts';
import { isOn } from '../resources.ts';
import { visibleTasks } from '../tasks.ts';

const ITERATIONS = 10;

function options(call: Call): unknown {
  return call.state.datacenter.options;
}

function setOptions(call: Call): null {
  refuseStale(call.parameters, call.state.datacenter.options);
  updateEntry(call.state.datacenter.options, call.parameters);
  return null;
}

/** The last entries of the cluster's log: here, what tasks wrote into it. */
function log(call: Call): unknown {
  const rows = visibleTasks(call).flatMap((task) => {
    const [user = ''] = task.owner.split('!');
    const entry = { node: task.node, pid: task.pid, user, tag: 'pvedaemon' };
    const start = { ...entry, time: task.starttime, pri: 6, msg: `starting task ${task.upid}` };
    if (task.endtime === undefined) return [start];
    const good = task.exitstatus === 'OK';
    const msg = good ? `end task ${task.upid} OK` : `end task ${task.upid} ${task.exitstatus}`;
    return [{ ...entry, time: task.endtime, pri: good ? 6 : 3, msg }, start];
  });
  const newest = rows.sort((a, b) => b.time - a.time).slice(0, number(call, 'max', 50));
  return newest.map((row, index) => ({
    ...row,
    uid: newest.length - index,
    id: `${newest.length - index}:${row.node}`,
  }));
}

type Metric = { id: string; metric: string; timestamp: number; type: 'gauge' | 'derive'; value: number };

/** Counters only ever grow, gauges go up and down. */
const DERIVED = ['netin', 'netout', 'diskread', 'diskwrite'];

function metrics(call: Call): unknown {
  const { state } = call;
  const timestamp = Math.floor(state.clock() / 10_000) * 10;
  const wanted = optionalText(call, 'node-list')?.split(',');
  const nodes = state.nodes.filter(({ name, online }) => online && (!wanted || wanted.includes(name)));
  const metric = (id: string, figures: object): Metric[] => {
    return Object.entries(figures).map(([name, value]) => {
      return {
        id,
        metric: name,
        timestamp,
        type: DERIVED.includes(name) ? 'derive' : 'gauge',
        value: Number(value),
      };
    });
  };
  const data = nodes.flatMap((node) => [
    ...metric(`node/${node.name}`, { ...nodeFigures(state, node), maxcpu: node.cpus, maxmem: node.memory }),
    ...[...state.guests.values()]
      .filter((guest) => guest.node === node.name)
      .flatMap((guest) => metric(`${guest.type}/${guest.vmid}`, guestFigures(guest, state.clock()))),
    ...state.storages
      .filter((storage) => isOn(storage, node.name))
      .flatMap((storage) => {
        const { used, total } = storageFigures(state, node.name, storage);
        return metric(`storage/${node.name}/${storage.storage}`, { disk_used: used, disk_total: total });
      }),
  ]);
  const start = number(call, 'start-time');
  return { data: data.filter((item) => item.timestamp >= start) };
}

function fingerprintOf(name: string): string {
  const hash = createHash('sha256').update(`node certificate ${name}`).digest('hex').toUpperCase();
  return (hash.match(/../g) ?? []).join(':');
}

function members({ state }: Call): Record<string, unknown>[] {
  return state.nodes.map(({ name, nodeid, ip }) => ({
    name,
    node: name,
    nodeid: String(nodeid),
    quorum_votes: '1',
    ring0_addr: ip,
  }));
}

/** A standalone host has no corosync configuration at all. */
function refuseStandalone({ state }: Call): void {
  if (state.nodes.length < 2) throw failure('node is not in a cluster, no join info available!');
}

const totemOf = ({ state }: Call): Record<string, unknown> => ({
  cluster_name: state.name,
  config_version: String(state.nodes.length),
  interface: { 0: { linknumber: '0' } },
  ip_version: 'ipv4-6',
  link_mode: 'passive',
  secauth: 'on',
  version: '2',
});

function joinInformation(call: Call): unknown {
  refuseStandalone(call);
  const preferred = optionalText(call, 'node') ?? call.localNode;
  requireNode(call.state, preferred);
  const nodelist = members(call).map(({ node: _node, ...member }, index) => ({
    ...member,
    pve_addr: member.ring0_addr,
    pve_fp: fingerprintOf(call.state.nodes[index]?.name ?? ''),
  }));
  return { config_digest: digestOf(nodelist), nodelist, preferred_node: preferred, totem: totemOf(call) };
}

const STEPS: [RegExp, (match: RegExpExecArray) => number][] = [
  [/^(?:\*:)?(?:\*|0+)\/(\d+)$/, ([, minutes]) => Number(minutes) * 60],
  [/^hourly$/, () => 3600],
  [/^(?:daily|\d+:\d+)$/, () => 86_400],
  [/^weekly$/, () => 604_800],
];

const DAY = '(?:mon|tue|wed|thu|fri|sat|sun)';
const NUMBERS = String.raw`[\d*][\d*,./]*`;
/** Names, or weekdays, date and time, of which each may be left out. */
const CALENDAR_EVENT = new RegExp(
  [
    '^(?:(?:minute|hour|dai|week|month|year|annual|quarter|semi-?annual)ly',
    `|(?:${DAY}(?:(?:,|\\.\\.)${DAY})* ?)?(?:(?:${NUMBERS}-)?${NUMBERS}-${NUMBERS} ?)?(?:${NUMBERS}(?::${NUMBERS}){0,2})?)$`,
  ].join(''),
  'i',
);

/** The next runs of the simple calendar events; the others are taken for daily ones. */
function analyze(call: Call): unknown {
  const schedule = String(call.parameters.schedule);
  if (!CALENDAR_EVENT.test(schedule)) {
    throw invalidParameters({
      schedule: `invalid format - unable to parse calendar event '${schedule}'\n`,
    });
  }
  const found = STEPS.map(([pattern, step]) => {
    const match = pattern.exec(schedule);
    return match ? step(match) : undefined;
  }).find((step) => step !== undefined);
  const step = found !== undefined && found > 0 ? found : 86_400;
  const [, hour = '0', minute = '0'] = /^(\d+):(\d+)$/.exec(schedule) ?? [];
  const phase = Number(hour) * 3600 + Number(minute) * 60;
  const start = number(call, 'starttime', Math.floor(call.state.clock() / 1000));
  const first = Math.floor((start - phase) / step) * step + phase + step;
  return Array.from({ length: number(call, 'iterations', ITERATIONS) }, (_item, index) => {
    const timestamp = first + index * step;
    return { timestamp, utc: new Date(timestamp * 1000).toUTCString() };
  });
}

export const datacenterOptionMethods: Method[] = [
  served('GET', '/cluster/options', options),
  served('PUT', '/cluster/options', setOptions, texts('consent-text', 'location', 'replication')),
  served('GET', '/cluster/log', log),
  declare(
    'GET',
    '/cluster/metrics/export',
    on('/', 'Sys.Audit'),
    { ...booleans('history', 'local-only'), ...texts('node-list'), ...integers('start-time') },
    metrics,
  ),
  served('GET', '/cluster/config/nodes', (call) => (call.state.nodes.length < 2 ? [] : members(call))),
  served('GET', '/cluster/config/totem', (call) => (call.state.nodes.length < 2 ? {} : totemOf(call))),
  served('GET', '/cluster/config/join', joinInformation),
  served('GET', '/cluster/config/qdevice', () => ({})),
  served('GET', '/cluster/config/apiversion', () => 1),
  served('GET', '/cluster/jobs/schedule-analyze', analyze),
  declare(
    'GET',
    '/cluster/qemu/cpu-flags',
    {
      check: [
        'or',
        ['perm', '/nodes', ['Sys.Audit']],
        ['perm', '/mapping/cpu', ['Mapping.Audit', 'Mapping.Use', 'Mapping.Modify'], 'any', 1],
      ],
    },
    { arch: ARCHITECTURE, accel: choice('kvm', 'tcg') },
    () => {
      return ['aes', 'pcid', 'spec-ctrl', 'ssbd'].map((name) => ({ name, description: `CPU flag ${name}` }));
    },
  ),
];
