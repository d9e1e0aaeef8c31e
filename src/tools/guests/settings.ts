import { z } from 'zod';
import type { GuestRow } from '../../clusters/inventory.ts';
import { formParam, listOf, textParam, wholeParam } from '../params.ts';
import { unfitting } from '../refusals.ts';
import { compact } from '../results.ts';
import { sizeParam } from '../size.ts';
import { mebibytes } from './disks.ts';
import { refuseWords } from './words.ts';

/** What steers a call, overwrites a guest, or has a tool or an argument of its own. */
const KEPT_BACK =
  /^(?:node|vmid|digest|delete|revert|force|skiplock|lock|archive|restore|background_delay|template|vmstate|parent|pool|start|ostemplate|storage|password|cipassword|unused\d+|name|hostname|description|tags)$/;

const scalarParam = z.union([z.string().max(8192), z.number(), z.boolean()]);

/** Of what is a name in DNS, as Proxmox wants guests to be called. */
export const newNameParam = formParam(
  /^(?!-)[A-Za-z0-9-]+(?<!-)(?:\.(?!-)[A-Za-z0-9-]+(?<!-))*$/,
  'must be a host name: letters, digits, - and dots',
  63,
);

const tagParam = formParam(/^[a-z0-9_][a-z0-9_+.-]*$/i, 'must consist of letters, digits and _ - + .', 100);

/** What guests of both kinds have. */
export const sharedSettings = {
  cores: wholeParam(1, 8192).optional(),
  memory: sizeParam('8G'),
  onboot: z.boolean().optional(),
  tags: listOf(tagParam, 50).optional(),
  notes: textParam(8192).optional(),
};

/** What VMs alone have. */
export const vmSettings = {
  sockets: wholeParam(1, 64).optional(),
  cpu: textParam(200).optional(),
  agent: z.boolean().optional(),
};

export const VM_ALONE = [
  'sockets',
  'cpu',
  'agent',
  'balloon',
  'boot_order',
  'pci',
  'usb',
  'efi_storage',
  'tpm_storage',
];

export function setParam(description: string) {
  const any = z.record(z.string(), z.unknown());
  return any
    .pipe(z.record(textParam(40), scalarParam))
    .optional()
    .describe(description);
}

export interface Settings {
  cores?: number | undefined;
  memory?: string | undefined;
  onboot?: boolean | undefined;
  tags?: readonly string[] | undefined;
  notes?: string | undefined;
  sockets?: number | undefined;
  cpu?: string | undefined;
  agent?: boolean | undefined;
  balloon?: string | undefined;
  protection?: boolean | undefined;
  set?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/**
 * Turns settings in words into the keys of a configuration.
 *
 * @throws CallError INVALID_ARGUMENTS for what this kind of guest does not have, and for keys in `set` that have an
 *   argument or a tool of their own
 */
export function settingOptions(
  type: GuestRow['type'],
  args: Settings,
): Record<string, string | number | boolean> {
  if (type === 'lxc') refuseWords({ ...args }, VM_ALONE, 'VMs alone have this');
  const { set = {}, memory, balloon, notes, tags, cores, onboot, sockets, cpu, agent, protection } = args;
  const named = {
    ...compact({ cores, sockets, cpu, onboot, agent, protection }),
    ...(memory === undefined ? {} : { memory: mebibytes(memory) }),
    ...(balloon === undefined ? {} : { balloon: mebibytes(balloon) }),
    ...(notes === undefined ? {} : { description: notes }),
    ...(tags === undefined ? {} : { tags: tagsText(tags) ?? '' }),
  };
  for (const key of Object.keys(set)) {
    if (KEPT_BACK.test(key)) throw unfitting(`set.${key}: this has an argument or a tool of its own`);
    if (key in named) throw unfitting(`${key} is given twice, once in set`);
  }
  return { ...named, ...set };
}

/** `tag1;tag2` */
function tagsText(tags: readonly string[] | undefined): string | undefined {
  return tags?.join(';');
}
