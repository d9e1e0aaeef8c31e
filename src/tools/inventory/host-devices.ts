import { isTrue, type Json } from '../../catalogue/json.ts';
import { compact, numberOf, textOf } from '../results.ts';

export type MappingKind = 'pci' | 'usb';

/** A device of a host that a VM may be given. */
export interface Device {
  /** `0000:01:00.0`, or `1050:0407` of a USB device. */
  id: string;
  mapping?: string;
  iommu_group?: number;
  [key: string]: unknown;
}

/** What the cluster calls a device, whichever node has it. */
export interface Mapping {
  mapping: string;
  kind: MappingKind;
  description?: string;
  /** Names of the nodes that have such a device. */
  nodes: string[];
  /** `node=pve1,path=0000:01:00,id=10de:1b06`, taken apart. */
  entries: readonly Readonly<Record<string, string>>[];
}

/** By the first digits of the PCI class code. */
const CLASSES: readonly (readonly [string, string])[] = [
  ['0c03', 'USB controller'],
  ['01', 'storage'],
  ['02', 'network'],
  ['03', 'display'],
  ['04', 'multimedia'],
  ['0c', 'serial bus'],
  ['12', 'accelerator'],
];
const USB_HUB = 9;

export function mappingsOf(kind: MappingKind, rows: readonly Json[]): Mapping[] {
  return rows.map((row) => {
    const entries = (Array.isArray(row.map) ? row.map : []).map((entry) =>
      Object.fromEntries(String(entry).split(',').map(keyAndValue)),
    );
    return {
      mapping: textOf(row.id) ?? '',
      kind,
      ...compact({ description: textOf(row.description) }),
      nodes: [...new Set(entries.flatMap(({ node }) => node ?? []))].sort(),
      entries,
    };
  });
}

function keyAndValue(part: string): [string, string] {
  const [key = '', ...value] = part.split('=');
  return [key, value.join('=')];
}

/** The devices of a node, each with the mapping that stands for it there; USB hubs can't be given away. */
export function hostDevices(
  node: string,
  rows: { pci?: readonly Json[]; usb?: readonly Json[] },
  mappings: readonly Mapping[],
): { pci: Device[] | undefined; usb: Device[] | undefined } {
  const mappingOf = (kind: MappingKind, fits: (entry: Readonly<Record<string, string>>) => boolean) =>
    mappings.find(
      (one) => one.kind === kind && one.entries.some((entry) => entry.node === node && fits(entry)),
    )?.mapping;
  return {
    pci: rows.pci?.map((row) => {
      const id = textOf(row.id) ?? '';
      return pciDevice(
        row,
        id,
        mappingOf('pci', ({ path = '' }) => path.split(';').some((one) => covers(one, id))),
      );
    }),
    usb: rows.usb
      ?.filter((row) => row.class !== USB_HUB)
      .map((row) => {
        const id = `${textOf(row.vendid) ?? ''}:${textOf(row.prodid) ?? ''}`;
        const port = portOf(row);
        const fits = (entry: Readonly<Record<string, string>>) =>
          entry.id?.toLowerCase() === id.toLowerCase() && (entry.path === undefined || entry.path === port);
        return usbDevice(row, id, port, mappingOf('usb', fits));
      }),
  };
}

/** A path without a function, `0000:01:00`, stands for all functions of the device. */
function covers(path: string, id: string): boolean {
  return path === id || (!path.includes('.') && id.startsWith(`${path}.`));
}

/** `1-2.1`, as PVE names the place where a USB device is plugged in. */
function portOf({ busnum, usbpath }: Json): string | undefined {
  const path = textOf(usbpath);
  return path === undefined ? undefined : `${numberOf(busnum)}-${path}`;
}

function pciDevice(row: Json, id: string, mapping: string | undefined): Device {
  const group = numberOf(row.iommugroup);
  const code = (textOf(row.class) ?? '').replace(/^0x/, '');
  return {
    id,
    ...compact({
      class: CLASSES.find(([prefix]) => code.startsWith(prefix))?.[1] ?? textOf(row.class),
      vendor: textOf(row.vendor_name) ?? textOf(row.vendor),
      device: textOf(row.device_name) ?? textOf(row.device),
      // -1 where there is none (PVE::SysFSTools).
      iommu_group: group === undefined || group < 0 ? undefined : group,
      mediated: isTrue(row.mdev) || undefined,
      mapping,
    }),
  };
}

function usbDevice(row: Json, id: string, port: string | undefined, mapping: string | undefined): Device {
  return {
    id,
    ...compact({
      product: textOf(row.product),
      vendor: textOf(row.manufacturer),
      port,
      speed_mbit: Number(row.speed) || undefined,
      mapping,
    }),
  };
}
