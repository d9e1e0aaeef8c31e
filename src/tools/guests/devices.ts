import { freeKey } from '../guest-config.ts';
import { propertyString } from '../property-string.ts';

export interface Devices {
  pci?: readonly string[] | undefined;
  usb?: readonly string[] | undefined;
  efi_storage?: string | undefined;
  tpm_storage?: string | undefined;
  boot_order?: readonly string[] | undefined;
}

type Present = Readonly<Record<string, unknown>>;

/** Turns devices in words into the keys of a VM's configuration; `pci` and `usb` are names of resource mappings. */
export function deviceOptions(devices: Devices, present: Present): Record<string, string> {
  const { pci = [], usb = [], efi_storage, tpm_storage, boot_order } = devices;
  // Without its firmware, the EFI disk would be there and not be used.
  const efi =
    efi_storage === undefined
      ? {}
      : {
          bios: 'ovmf',
          efidisk0: propertyString(`${efi_storage}:1`, { efitype: '4m', 'pre-enrolled-keys': true }),
        };
  return {
    ...efi,
    ...(tpm_storage === undefined
      ? {}
      : { tpmstate0: propertyString(`${tpm_storage}:1`, { version: 'v2.0' }) }),
    ...mapped('hostpci', pci, present),
    ...mapped('usb', usb, present),
    ...(boot_order === undefined ? {} : { boot: `order=${boot_order.join(';')}` }),
  };
}

function mapped(stem: string, mappings: readonly string[], present: Present): Record<string, string> {
  const made: Record<string, string> = {};
  for (const mapping of mappings) {
    const key = freeKey(stem, [...Object.keys(present), ...Object.keys(made)]);
    made[key] = propertyString(undefined, { mapping });
  }
  return made;
}
