import { z } from 'zod';
import type { GuestRow } from '../../clusters/inventory.ts';
import { freeKey } from '../guest-config.ts';
import { textParam, wordsParam } from '../params.ts';
import { type Options, propertyString, readProperties } from '../property-string.ts';
import { unfitting } from '../refusals.ts';
import { refuseWords } from './words.ts';

const MODELS = ['virtio', 'e1000', 'e1000e', 'vmxnet3', 'rtl8139'] as const;
/** All that Proxmox knows, each a key of its own with the MAC as value. */
const ANY_MODEL = /^(?:e1000|i825|ne2k|pcnet|rtl8139|virtio|vmxnet3)/;
const ADDRESS = /^[0-9a-f:.]+(?:\/\d{1,3})?$/i;
const addressParam = textParam(64).refine(
  (text) => ADDRESS.test(text) || WORDS.has(text),
  'is no address such as 192.0.2.10/24, dhcp or auto',
);
const WORDS = new Set(['dhcp', 'auto', 'manual']);

const shape = {
  id: z
    .string()
    .regex(/^net\d{1,2}$/, 'is no NIC such as net0')
    .optional(),
  bridge: textParam(15).optional(),
  vlan: z.int().min(0).max(4094).optional(),
  model: z.enum(MODELS).optional(),
  firewall: z.boolean().optional(),
  link_down: z.boolean().optional(),
  mac: z
    .string()
    .regex(/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i, 'is no MAC address')
    .optional(),
  mtu: z.int().min(1).max(65_520).optional(),
  rate: z.number().positive().optional(),
  queues: z.int().min(0).max(64).optional(),
  name: z
    .string()
    .regex(/^[\w.-]{1,15}$/, 'is no interface name')
    .optional(),
  ip: addressParam.optional(),
  gw: addressParam.optional(),
  ip6: addressParam.optional(),
  gw6: addressParam.optional(),
};

/** NICs in words; an `id` that the guest has changes that one. */
export function nicsParam(description: string) {
  return wordsParam(shape, description);
}

export type NicWords = z.output<z.ZodObject<typeof shape>>;

interface NicContext {
  type: GuestRow['type'];
  /** The configuration now; empty for a new guest. */
  present: Readonly<Record<string, unknown>>;
  /** Of NICs that name no bridge. */
  bridge: string;
}

/** Turns NICs in words into the keys of a configuration: `{net0: 'virtio,bridge=vmbr0,tag=20'}`. */
export function nicOptions(nics: readonly NicWords[], context: NicContext): Record<string, string> {
  const made: Record<string, string> = {};
  for (const nic of nics) {
    const id = nic.id ?? freeKey('net', [...Object.keys(context.present), ...Object.keys(made)]);
    if (made[id] !== undefined) throw unfitting(`nics names ${id} twice`);
    const present = context.present[id];
    const now = typeof present === 'string' ? present : undefined;
    made[id] = context.type === 'qemu' ? vmNic(nic, now, context) : containerNic(nic, now, id, context);
  }
  return made;
}

function vmNic(nic: NicWords, now: string | undefined, { bridge }: NicContext): string {
  refuseWords(
    nic,
    ['name', 'ip', 'gw', 'ip6', 'gw6'],
    'a NIC of a VM gets its address by cloud-init or in the guest',
  );
  const { options, lead } = readProperties(now ?? '');
  const known = [...options].find(([key]) => ANY_MODEL.test(key));
  const model = nic.model ?? known?.[0] ?? lead ?? 'virtio';
  const mac = nic.mac ?? known?.[1] ?? options.get('macaddr');
  const rest = without(now, [known?.[0], 'macaddr', 'model', ...cleared(nic, 'tag')]);
  const words = { ...common(nic), queues: nic.queues };
  const whole = propertyString(
    undefined,
    now === undefined ? { bridge, firewall: true, ...given(words) } : words,
    rest,
  );
  return [mac === undefined ? model : `${model}=${mac.toUpperCase()}`, whole].filter(Boolean).join(',');
}

function containerNic(nic: NicWords, now: string | undefined, id: string, { bridge }: NicContext): string {
  refuseWords(nic, ['model', 'queues'], 'a container has no such setting');
  const { name, ip, gw, ip6, gw6, mac } = nic;
  const words = { name, ...common(nic), hwaddr: mac?.toUpperCase(), ip, gw, ip6, gw6 };
  const fresh = { name: `eth${id.slice('net'.length)}`, bridge, firewall: true, ip: 'dhcp' };
  const options = now === undefined ? { ...fresh, ...given(words) } : words;
  // A fixed gateway goes with a fixed address.
  const stale = ip === 'dhcp' || ip === 'manual' ? ['gw'] : [];
  return propertyString(undefined, options, without(now, [...cleared(nic, 'tag'), ...stale]));
}

function common({ bridge, vlan, firewall, link_down, mtu, rate }: NicWords): Options {
  return { bridge, tag: vlan === 0 ? undefined : vlan, firewall, link_down, mtu, rate };
}

/** VLAN 0 stands for none. */
function cleared({ vlan }: NicWords, key: string): string[] {
  return vlan === 0 ? [key] : [];
}

function without(now: string | undefined, keys: readonly (string | undefined)[]): string {
  const { options } = readProperties(now ?? '');
  return [...options].flatMap(([key, value]) => (keys.includes(key) ? [] : [`${key}=${value}`])).join(',');
}

function given(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
