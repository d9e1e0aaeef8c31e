import { failure } from '../errors.ts';
import { canSnapshot } from '../state/disks.ts';
import { type GuestType, isTemplate } from '../state/guest.ts';
import { drives, findVolume, requireStorage } from '../state/volumes.ts';
import { declare } from './declare.ts';
import { type Call, guestOf, type Method, node, onGuest, optional, snapname, text, vmid } from './method.ts';
import { isOn } from './resources.ts';

/** What the storages of a guest's disks allow: snapshots, linked clones (of templates) or copies. */
function feature(call: Call, type: GuestType): unknown {
  const { state } = call;
  const guest = guestOf(call, type);
  const disks = drives(guest).filter(([key]) => !key.startsWith('unused'));
  const allowed = disks.every(([, volid]) => {
    const volume = findVolume(state, guest.node, volid);
    if (!volume) return false;
    if (text(call, 'feature') === 'snapshot') {
      return !isTemplate(guest) && canSnapshot(requireStorage(state, volume.storage), volume);
    }
    return text(call, 'feature') === 'copy' || isTemplate(guest);
  });
  const places = disks.map(([, volid]) => requireStorage(state, volid.split(':')[0] ?? ''));
  const shared = places.every((place) => place.shared);
  const nodes = state.nodes.filter(({ name }) => {
    return name === guest.node || (shared && places.every((place) => isOn(place, name)));
  });
  const hasFeature = allowed ? 1 : 0;
  return type === 'qemu' ? { hasFeature, nodes: nodes.map(({ name }) => name) } : { hasFeature };
}

/** The host sees a running container's network itself. */
function interfaces(call: Call): unknown {
  const guest = guestOf(call, 'lxc');
  if (guest.status !== 'running') throw failure(`CT ${guest.vmid} not running`);
  const cards = Object.entries(guest.config).filter(([key]) => /^net\d+$/.test(key));
  const rows = cards.map(([key, value], position) => {
    const hwaddr = /hwaddr=([^,]+)/.exec(String(value))?.[1]?.toLowerCase() ?? '';
    const address = `198.51.100.${(guest.vmid + position) % 250 || 1}`;
    return {
      name: /name=([^,]+)/.exec(String(value))?.[1] ?? key,
      hwaddr,
      'hardware-address': hwaddr,
      inet: `${address}/24`,
      'ip-addresses': [{ 'ip-address': address, 'ip-address-type': 'inet', prefix: 24 }],
    };
  });
  const loopback = { 'ip-address': '127.0.0.1', 'ip-address-type': 'inet', prefix: 8 };
  const hwaddr = '00:00:00:00:00:00';
  return [
    { name: 'lo', hwaddr, 'hardware-address': hwaddr, inet: '127.0.0.1/8', 'ip-addresses': [loopback] },
    ...rows,
  ];
}

/** What one kind of guest can do where it is. */
export function featureMethods(type: GuestType): Method[] {
  const path = `/nodes/{node}/${type}/{vmid}`;
  const kind = { type: 'string', enum: ['snapshot', 'clone', 'copy'] } as const;
  const properties = { node, vmid, feature: kind, snapname: optional(snapname) };
  const audit = onGuest('VM.Audit');
  return [
    declare('GET', `${path}/feature`, audit, properties, (call) => feature(call, type)),
    ...(type === 'lxc' ? [declare('GET', `${path}/interfaces`, audit, { node, vmid }, interfaces)] : []),
  ];
}
