import type { SavedConfig } from '../../backups/guest-config.ts';
import { type AddressWords, addressOptions } from '../../cloudinit/cloudinit.ts';
import { isCdrom, NIC_KEY } from '../../guest-config.ts';
import { propertyString, readProperties } from '../../property-string.ts';
import { unfitting } from '../../refusals.ts';

/** The options that hold a MAC: one that is not said is made anew, and each copy needs its own. */
const MAC = /^(?:e1000|i825|ne2k|pcnet|rtl8139|virtio|vmxnet3|macaddr|hwaddr)/;

interface Wanted {
  type: 'qemu' | 'lxc';
  saved: SavedConfig;
  /** By the bridge that was saved. */
  bridges: Readonly<Record<string, string>>;
  addresses: readonly AddressWords[];
  /** Otherwise the node would start it with its next boot, beside the original. */
  start: boolean;
  /** Further options to set. */
  config: Readonly<Record<string, string | number>>;
}

/**
 * What has to be set once a guest was restored on another cluster, by the keys of its configuration: bridges,
 * addresses, discs that are not there.
 *
 * @throws CallError INVALID_ARGUMENTS for addresses of NICs that are not there
 */
export function settledOptions({
  type,
  saved,
  bridges,
  addresses,
  start,
  config,
}: Wanted): Record<string, string | number> {
  const { options } = saved;
  const nics = Object.fromEntries(Object.entries(options).filter(([key]) => NIC_KEY.test(key)));
  return {
    ...movedNics(type, nics, bridges),
    ...(type === 'qemu'
      ? addressOptions(addresses, options)
      : containerAddresses(addresses, { ...nics, ...movedNics(type, nics, bridges) })),
    ...(type === 'qemu' ? emptied(options) : {}),
    ...(!start && options.onboot === '1' ? { onboot: 0 } : {}),
    ...config,
  };
}

/** The NICs whose bridge has another name there. */
function movedNics(
  type: Wanted['type'],
  nics: Readonly<Record<string, string>>,
  bridges: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(nics).flatMap(([key, value]) => {
      const bridge = readProperties(value).options.get('bridge');
      const to = bridge === undefined ? undefined : bridges[bridge];
      return to === undefined || to === bridge ? [] : [[key, nicOn(type, value, { bridge: to })]];
    }),
  );
}

function nicOn(type: Wanted['type'], value: string, words: Record<string, string | undefined>): string {
  const { lead, options } = readProperties(value);
  const named = [...options.keys()].find((key) => MAC.test(key) && !/addr$/.test(key));
  const model = options.get('model') ?? named ?? lead ?? 'virtio';
  const rest = [...options]
    .flatMap(([key, text]) => (MAC.test(key) || key === 'model' ? [] : [`${key}=${text}`]))
    .join(',');
  return propertyString(type === 'qemu' ? model : undefined, words, rest);
}

function containerAddresses(
  addresses: readonly AddressWords[],
  nics: Readonly<Record<string, string>>,
): Record<string, string> {
  const made: Record<string, string> = {};
  for (const [index, { nic = `net${index}`, ...words }] of addresses.entries()) {
    const now = nics[nic];
    if (now === undefined)
      throw unfitting(`The container has no NIC ${nic}; it has ${Object.keys(nics).join(', ') || 'none'}.`);
    if (made[nic] !== undefined) throw unfitting(`addresses names ${nic} twice.`);
    if (Object.values(words).every((word) => word === undefined))
      throw unfitting(`Nothing is said of the address of ${nic}: pass ip or ip6.`);
    // A gateway goes with the address that it was set for.
    const stale = [...(words.ip === undefined ? [] : ['gw']), ...(words.ip6 === undefined ? [] : ['gw6'])];
    const kept = now
      .split(',')
      .filter((part) => !stale.includes(part.split('=')[0] ?? ''))
      .join(',');
    made[nic] = nicOn('lxc', kept, words);
  }
  return made;
}

/** A VM does not start with a disc in its drive that its cluster does not have. */
function emptied(options: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([, value]) => isCdrom(value) && !/^none(?:,|$)/.test(value) && !/cloudinit/.test(value))
      .map(([key]) => [key, 'none,media=cdrom']),
  );
}
