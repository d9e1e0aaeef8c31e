import { guestFigures, nodeFigures } from '../../state/figures.ts';
import { scatter, served } from '../declare.ts';
import { type Call, Listing, type Method, number, optionalText, text } from '../method.ts';
import { hostOf, settings } from './system.ts';

const MINUTE = 60_000;
const LINES = 400;

const MESSAGES: [string, string][] = [
  ['pvestatd', 'status update time (2.412 seconds)'],
  ['pmxcfs', '[status] notice: received log'],
  ['systemd', 'Started session of user root.'],
  ['pvedaemon', 'successful auth for user root@pam'],
  ['cron', '(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)'],
  ['kernel', 'vmbr0: port 2 entered forwarding state'],
  ['chrony', 'Selected source 192.0.2.1'],
  ['pvescheduler', 'replication: all jobs up to date'],
];

interface Line {
  /** epoch ms */
  at: number;
  service: string;
  text: string;
}

/** One line a minute, and one for each task of the node. */
function lines(call: Call): Line[] {
  const { name } = hostOf(call);
  const minute = Math.floor(call.state.clock() / MINUTE);
  const routine = Array.from({ length: LINES }, (_item, index): Line => {
    const at = minute - LINES + 1 + index;
    const [service, message] = MESSAGES[Math.floor(scatter(name, at) * MESSAGES.length)] ?? ['', ''];
    return { at: at * MINUTE, service, text: message };
  });
  const tasks = call.state.tasks.list().filter((task) => task.node === name);
  const work = tasks.map((task): Line => {
    return {
      at: task.starttime * 1000,
      service: 'pvedaemon',
      text: `<${task.owner}> starting task ${task.upid}`,
    };
  });
  return [...routine, ...work].sort((a, b) => a.at - b.at);
}

function show(call: Call, { at, service, text: message }: Line): string {
  const [, time = ''] = new Date(at).toUTCString().split(', ');
  const [day = '', month = '', , clock = ''] = time.split(' ');
  return `${month} ${day} ${clock} ${text(call, 'node')} ${service}[${900 + service.length}]: ${message}`;
}

function between(call: Call, since: number | undefined, until: number | undefined): Line[] {
  return lines(call).filter(
    ({ at }) => (since === undefined || at >= since) && (until === undefined || at <= until),
  );
}

const when = (value: string | undefined): number | undefined => {
  return value === undefined ? undefined : Date.parse(`${value.replace(' ', 'T')}Z`);
};

function syslog(call: Call): Listing {
  const service = optionalText(call, 'service');
  const found = between(call, when(optionalText(call, 'since')), when(optionalText(call, 'until')));
  const kept = found.filter((line) => service === undefined || line.service === service);
  const rows = kept.map((line, index) => ({ n: index + 1, t: show(call, line) }));
  const start = number(call, 'start');
  return new Listing(rows.slice(start, start + number(call, 'limit', 50)), rows.length);
}

/** Text alone, with the cursors of its first and last line around it. */
function journal(call: Call): string[] {
  const { since, until, lastentries } = call.parameters;
  const seconds = (value: unknown): number | undefined =>
    value === undefined ? undefined : Number(value) * 1000;
  const found = between(call, seconds(since), seconds(until)).slice(-Number(lastentries ?? LINES));
  const cursor = (line: Line | undefined): string => `s=sim;i=${(line?.at ?? 0).toString(16)}`;
  return [cursor(found[0]), ...found.map((line) => show(call, line)), cursor(found.at(-1))];
}

function report(call: Call): string {
  const host = hostOf(call);
  const { cpu, mem, uptime } = nodeFigures(call.state, host);
  const guests = [...call.state.guests.values()].filter(({ node }) => node === host.name);
  const section = (title: string, ...body: string[]): string =>
    [`==== ${title} ====`, ...body, ''].join('\n');
  return [
    section(
      'general system info',
      `hostname: ${host.name}`,
      `uptime: ${uptime} s`,
      `load: ${(cpu * host.cpus).toFixed(2)}`,
    ),
    section('memory', `total: ${host.memory}`, `used: ${mem}`),
    section('guests', ...guests.map(({ type, vmid, status }) => `${type} ${vmid} ${status}`)),
    section('network', ...Object.keys(settings(call).interfaces)),
  ].join('\n');
}

/** Traffic per virtual interface of the guests that run here. */
function netstat(call: Call): unknown {
  const { name } = hostOf(call);
  const guests = [...call.state.guests.values()].filter(
    (guest) => guest.node === name && guest.status === 'running',
  );
  return guests.map((guest) => {
    const { netin, netout } = guestFigures(guest, call.state.clock());
    return { vmid: guest.vmid, dev: 'net0', in: netin, out: netout };
  });
}

export const logMethods: Method[] = [
  served('GET', '/nodes/{node}/syslog', syslog),
  served('GET', '/nodes/{node}/journal', journal),
  served('GET', '/nodes/{node}/report', report),
  served('GET', '/nodes/{node}/netstat', netstat),
];
