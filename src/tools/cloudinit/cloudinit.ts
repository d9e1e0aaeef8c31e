import { isIP } from 'node:net';
import { z } from 'zod';
import { formatMismatch } from '../../catalogue/formats.ts';
import { someOf } from '../fleet.ts';
import { NIC_KEY } from '../guest-config.ts';
import { textParam, wordsParam } from '../params.ts';
import { propertyString, readProperties } from '../property-string.ts';
import { unfitting } from '../refusals.ts';

/** Kept as `storage:cloudinit` until Proxmox has made it. */
const DRIVE = /(?:^|[:/])(?:vm-\d+-)?cloudinit(?:\.\w+)?(?:,|$)/;
const PUBLIC_KEY =
  /(?:^|\s)(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/]{40,}={0,3}(?:\s|$)/;

type Values = Readonly<Record<string, unknown>>;

/** The drive that the settings go to, by its key; undefined where the VM has none. */
export function driveOf(values: Values): string | undefined {
  return Object.keys(values).find(
    (key) => /^(?:ide|sata|scsi)\d+$/.test(key) && DRIVE.test(String(values[key])),
  );
}

const networkParam = textParam(64);

const addressShape = {
  nic: z.string().regex(NIC_KEY, 'is no NIC such as net0').optional(),
  ip: networkParam
    .refine(
      (text) => formatMismatch('pve-ipv4-config', text) === undefined,
      'is no dhcp, nor an address such as 192.0.2.10/24',
    )
    .optional(),
  gw: networkParam.refine((text) => isIP(text) === 4, 'is no IPv4 address').optional(),
  ip6: networkParam
    .refine(
      (text) => formatMismatch('pve-ipv6-config', text) === undefined,
      'is no auto, dhcp, nor an address such as 2001:db8::10/64',
    )
    .optional(),
  gw6: networkParam.refine((text) => isIP(text) === 6, 'is no IPv6 address').optional(),
};

export const addressParams = {
  ip: addressShape.ip,
  gw: addressShape.gw,
  ip6: addressShape.ip6,
  gw6: addressShape.gw6,
};

export const addressesParam = wordsParam(
  addressShape,
  'nic (net0 …), ip (dhcp or 192.0.2.10/24), gw, ip6 (auto, dhcp …), gw6.',
);

export type AddressWords = z.output<z.ZodObject<typeof addressShape>>;

export const keysParam = z
  .array(textParam(16_000).refine(arePublicKeys, 'holds something that is no public SSH key'))
  .max(50)
  .optional();

/** Of what is refused nothing is repeated: it may be a private key. */
function arePublicKeys(text: string): boolean {
  return linesOf(text).every((line) => PUBLIC_KEY.test(line));
}

function linesOf(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** As Proxmox wants them: encoded once, before the form encodes the whole. */
export function keysText(keys: readonly string[] | undefined): string | undefined {
  const lines = keys?.flatMap(linesOf) ?? [];
  return lines.length === 0 ? undefined : encodeURIComponent(lines.join('\n'));
}

export const nameserversParam = z
  .array(networkParam.refine((text) => isIP(text) !== 0, 'is no IP address'))
  .max(10)
  .optional();

/**
 * Turns addresses in words into the keys of a configuration: `{ipconfig0: 'ip=dhcp'}`. What is not said stays.
 *
 * @param values the configuration, with its NICs
 * @throws CallError INVALID_ARGUMENTS for a NIC that is not there, and a gateway without its address
 */
export function addressOptions(addresses: readonly AddressWords[], values: Values): Record<string, string> {
  const nics = Object.keys(values).filter((key) => NIC_KEY.test(key));
  const made: Record<string, string> = {};
  for (const [index, { nic = `net${index}`, ...words }] of addresses.entries()) {
    const key = `ipconfig${nic.slice('net'.length)}`;
    if (!nics.includes(nic))
      throw unfitting(`The VM has no NIC ${nic}; it has ${someOf(nics.sort()) || 'none'}.`);
    if (made[key] !== undefined) throw unfitting(`addresses names ${nic} twice.`);
    made[key] = addressOf(nic, words, String(values[key] ?? ''));
  }
  return made;
}

function addressOf(nic: string, words: Omit<AddressWords, 'nic'>, present: string): string {
  const kept = readProperties(present).options;
  // A gateway goes with the address that it was set for.
  const stale = [...(words.ip === undefined ? [] : ['gw']), ...(words.ip6 === undefined ? [] : ['gw6'])];
  const rest = [...kept]
    .flatMap(([key, value]) => (stale.includes(key) ? [] : [`${key}=${value}`]))
    .join(',');
  const text = propertyString(undefined, words, rest);
  const { options } = readProperties(text);
  for (const [gateway, address] of [
    ['gw', 'ip'],
    ['gw6', 'ip6'],
  ] as const) {
    if (options.has(gateway) && !options.get(address)?.includes('/')) {
      throw unfitting(
        `${gateway} of ${nic} needs a fixed ${address}, such as ${address === 'ip' ? '192.0.2.10/24' : '2001:db8::10/64'}.`,
      );
    }
  }
  if (text === '') throw unfitting(`Nothing is said of the address of ${nic}: pass ip or ip6.`);
  return text;
}

/** `{net0: {ip: 'dhcp'}}` of a configuration, as the arguments name it. */
export function shownAddresses(values: Values) {
  return Object.keys(values)
    .filter((key) => /^ipconfig\d+$/.test(key))
    .sort()
    .map((key) => ({
      nic: `net${key.slice('ipconfig'.length)}`,
      ...Object.fromEntries(readProperties(String(values[key])).options),
    }));
}

export function shownKeys(value: unknown): string[] | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  try {
    return linesOf(decodeURIComponent(value));
  } catch {
    return linesOf(value);
  }
}
