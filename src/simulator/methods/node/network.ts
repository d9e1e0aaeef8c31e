import { failure, invalidParameters } from '../../errors.ts';
import type { NodeSettings } from '../../state/node-settings.ts';
import { type Entry, optionsOf, requireEntry, type Section } from '../../state/section.ts';
import { booleans, items, served, startNodeTask, texts } from '../declare.ts';
import { type Call, Listing, type Method, optionalText, text } from '../method.ts';
import { settings } from './system.ts';

/** What is in the file: the changes that wait, or else what applies. */
const fileOf = ({ interfaces, pendingInterfaces }: NodeSettings): Section => pendingInterfaces ?? interfaces;

const HIDDEN = [
  'iface',
  'type',
  'method',
  'method6',
  'exists',
  'active',
  'autostart',
  'cidr',
  'netmask',
  'priority',
];

/** One interface as its stanza in /etc/network/interfaces. */
function stanza(entry: Entry): string[] {
  const name = String(entry.iface);
  const options = Object.entries(entry).filter(([key]) => !HIDDEN.includes(key));
  return [
    ...(entry.autostart ? [`auto ${name}`] : []),
    `iface ${name} inet ${entry.method ?? 'manual'}`,
    ...options.map(([key, value]) => {
      const shown = key === 'address' && entry.cidr !== undefined ? entry.cidr : value;
      return `\t${key.replaceAll('_', '-')} ${String(shown)}`;
    }),
    '',
  ];
}

const render = (section: Section): string[] => Object.values(section).flatMap(stanza);

/** A unified diff of whole stanzas, enough to read what will change. */
function difference({ interfaces, pendingInterfaces }: NodeSettings): string | undefined {
  if (!pendingInterfaces) return undefined;
  const names = [...new Set([...Object.keys(interfaces), ...Object.keys(pendingInterfaces)])];
  const lines = names.flatMap((name) => {
    const [before, after] = [interfaces[name], pendingInterfaces[name]];
    const old = before ? stanza(before) : [];
    const fresh = after ? stanza(after) : [];
    if (old.join('\n') === fresh.join('\n')) return old.map((line) => ` ${line}`);
    return [...old.map((line) => `-${line}`), ...fresh.map((line) => `+${line}`)];
  });
  const [oldLength, newLength] = [render(interfaces).length, render(pendingInterfaces).length];
  const head = [
    '--- /etc/network/interfaces',
    '+++ /etc/network/interfaces.new',
    `@@ -1,${oldLength} +1,${newLength} @@`,
  ];
  return `${[...head, ...lines].join('\n')}\n`;
}

function matches(entry: Entry, type: string | undefined): boolean {
  if (type === undefined || type === entry.type) return true;
  if (type === 'any_bridge' || type === 'any_local_bridge') return /bridge/i.test(String(entry.type));
  return type === 'include_sdn';
}

function list(call: Call): Listing {
  const present = settings(call);
  const type = optionalText(call, 'type');
  const rows = Object.values(fileOf(present)).filter((entry) => matches(entry, type));
  return new Listing(rows, undefined, difference(present));
}

/** Address, mask and CIDR say the same twice; the file keeps them in step. */
function completed(given: Entry): Entry {
  const entry: Entry = { ...given };
  if (entry.cidr !== undefined) [entry.address = '', entry.netmask = ''] = String(entry.cidr).split('/');
  else if (entry.address !== undefined) entry.cidr = `${entry.address}/${entry.netmask ?? 24}`;
  if (entry.cidr6 !== undefined) [entry.address6 = '', entry.netmask6 = ''] = String(entry.cidr6).split('/');
  return {
    ...entry,
    method: entry.address === undefined ? 'manual' : 'static',
    method6: entry.address6 === undefined ? 'manual' : 'static',
  };
}

function refuseImpossible(section: Section, entry: Entry): void {
  const gateway = Object.values(section).find(
    (other) => other.gateway !== undefined && other.iface !== entry.iface,
  );
  if (entry.gateway !== undefined && gateway) {
    throw invalidParameters({ gateway: `Default gateway already exists on interface '${gateway.iface}'.` });
  }
  const ports = items(String(entry.bridge_ports ?? entry.slaves ?? ''));
  const unknown = ports.find((port) => !section[port] && !port.includes('.'));
  if (unknown !== undefined) {
    throw failure(`bridge '${entry.iface}' - unable to find bridge port '${unknown}'`);
  }
}

/** Changes go to a second file until they are applied. */
function pendingOf(present: NodeSettings): Section {
  present.pendingInterfaces ??= structuredClone(present.interfaces);
  return present.pendingInterfaces;
}

function create(call: Call): null {
  const present = settings(call);
  const iface = text(call, 'iface');
  if (fileOf(present)[iface]) throw invalidParameters({ iface: 'interface already exists' });
  const entry = completed(optionsOf(call.parameters));
  refuseImpossible(fileOf(present), entry);
  pendingOf(present)[iface] = entry;
  return null;
}

function requireInterface(call: Call): Entry {
  return requireEntry(fileOf(settings(call)), text(call, 'iface'), 'interface does not exist');
}

const OF_IPV4 = ['address', 'netmask', 'cidr', 'gateway'];
const OF_IPV6 = ['address6', 'netmask6', 'cidr6', 'gateway6'];

/** An address that an update leaves out is gone: its method is `manual` then. All else stays. */
function update(call: Call): null {
  const present = settings(call);
  const before = requireInterface(call);
  const given = optionsOf(call.parameters);
  const kept = { ...before };
  const without = [
    ...items(optionalText(call, 'delete')),
    ...(given.cidr === undefined ? (given.address === undefined ? OF_IPV4 : ['cidr']) : []),
    ...(given.cidr6 === undefined ? (given.address6 === undefined ? OF_IPV6 : ['cidr6']) : []),
  ];
  for (const key of without) delete kept[key];
  const entry = completed({ ...kept, ...given, iface: text(call, 'iface') });
  refuseImpossible(fileOf(present), entry);
  pendingOf(present)[text(call, 'iface')] = entry;
  return null;
}

function remove(call: Call): null {
  requireInterface(call);
  delete pendingOf(settings(call))[text(call, 'iface')];
  return null;
}

function reload(call: Call): string {
  const present = settings(call);
  return startNodeTask(call, 'srvreload', 'networking', {
    end: () => {
      if (!present.pendingInterfaces) return;
      const active = Object.entries(present.pendingInterfaces).map(([name, entry]) => [
        name,
        { ...entry, active: 1 },
      ]);
      present.interfaces = Object.fromEntries(active);
      delete present.pendingInterfaces;
    },
    log: ['reload the network configuration'],
  });
}

function revert(call: Call): null {
  delete settings(call).pendingInterfaces;
  return null;
}

const path = '/nodes/{node}/network';

export const networkMethods: Method[] = [
  served('GET', path, list),
  served('POST', path, create, texts('bridge_vids')),
  served('PUT', path, reload, booleans('regenerate-frr')),
  served('DELETE', path, revert),
  served('GET', `${path}/{iface}`, requireInterface),
  served('PUT', `${path}/{iface}`, update, texts('bridge_vids')),
  served('DELETE', `${path}/{iface}`, remove),
];
