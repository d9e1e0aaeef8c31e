import { failure, invalidParameters } from '../../errors.ts';
import type { Node } from '../../state/cluster-state.ts';
import { startGuest, stopGuest } from '../../state/guest.ts';
import { type NodeSettings, settingsOf } from '../../state/node-settings.ts';
import { digestOf, optionsOf, refuseStale, updateEntry } from '../../state/section.ts';
import { integers, items, requireNode, served, texts } from '../declare.ts';
import { type Call, type Method, optionalText, text } from '../method.ts';

const REBOOT_MS = 60_000;

export function hostOf(call: Call): Node {
  return requireNode(call.state, text(call, 'node'));
}

export function settings(call: Call): NodeSettings {
  return settingsOf(call.state, hostOf(call));
}

function setDns(call: Call): null {
  settings(call).dns = optionsOf(call.parameters);
  return null;
}

function hosts(call: Call): unknown {
  const { hosts: data } = settings(call);
  return { data, digest: digestOf(data) };
}

function setHosts(call: Call): null {
  const present = settings(call);
  refuseStale(call.parameters, present.hosts);
  present.hosts = text(call, 'data');
  return null;
}

/** Seconds by which a zone is ahead of UTC at that moment. */
function offset(timezone: string, now: number): number {
  const local = new Date(now).toLocaleString('sv-SE', { timeZone: timezone });
  return Math.round((Date.parse(`${local.replace(' ', 'T')}Z`) - now) / 60_000) * 60;
}

function time(call: Call): unknown {
  const ahead = call.state.hazards.clocksAhead.get(hostOf(call).name) ?? 0;
  const now = call.state.clock() + ahead * 1000;
  const { timezone } = settings(call);
  const seconds = Math.floor(now / 1000);
  return { timezone, time: seconds, localtime: seconds + offset(timezone, now) };
}

function setTime(call: Call): null {
  const timezone = text(call, 'timezone');
  try {
    offset(timezone, 0);
  } catch {
    throw invalidParameters({ timezone: `No such timezone.` });
  }
  settings(call).timezone = timezone;
  return null;
}

function config(call: Call): unknown {
  const present = settings(call).config;
  const property = optionalText(call, 'property');
  if (property === undefined) return { ...present, digest: digestOf(present) };
  return present[property] === undefined ? {} : { [property]: present[property] };
}

function setConfig(call: Call): null {
  const present = settings(call).config;
  refuseStale(call.parameters, present);
  updateEntry(present, call.parameters);
  return null;
}

/** The guests go down with their host; with it come back those that start at boot. */
function power(call: Call): null {
  const host = hostOf(call);
  const command = text(call, 'command');
  const now = call.state.clock();
  const guests = [...call.state.guests.values()].filter(({ node }) => node === host.name);
  const back = now + REBOOT_MS;
  for (const guest of guests.filter(({ status }) => status === 'running')) {
    stopGuest(guest);
    if (command === 'reboot' && guest.config.onboot === 1) startGuest(guest, back);
  }
  if (command === 'shutdown') host.online = false;
  else {
    host.bootedAt = back;
    host.offlineUntil = back;
  }
  return null;
}

function wake(call: Call): string {
  const host = hostOf(call);
  const wakeonlan = settings(call).config.wakeonlan;
  if (wakeonlan === undefined) {
    throw failure(`No wake on LAN MAC address defined for '${host.name}'!`);
  }
  const mac = items(String(wakeonlan))[0]?.replace('mac=', '') ?? '';
  if (!host.online) {
    host.online = true;
    host.bootedAt = call.state.clock();
  }
  return mac;
}

export const systemMethods: Method[] = [
  served('GET', '/nodes/{node}/dns', (call) => settings(call).dns),
  served('PUT', '/nodes/{node}/dns', setDns),
  served('GET', '/nodes/{node}/hosts', hosts),
  served('POST', '/nodes/{node}/hosts', setHosts),
  served('GET', '/nodes/{node}/time', time),
  served('PUT', '/nodes/{node}/time', setTime),
  served('GET', '/nodes/{node}/config', config),
  served('PUT', '/nodes/{node}/config', setConfig, {
    ...texts('location'),
    ...integers('ballooning-target'),
  }),
  served('POST', '/nodes/{node}/status', power),
  served('POST', '/nodes/{node}/wakeonlan', wake),
];
