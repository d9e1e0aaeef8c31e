/** Free text, in which the name of a volume is only a word. */
const PROSE = new Set(['description', 'notes', 'notes-template', 'comment']);

/** What makes a volume a linked clone stands before its own name, and tells the template's VMID. */
const PARENT = /(?:\d{1,9}\/)?base(?:vol)?-\d{1,9}-[^/,\s]{1,200}\/(?=(?:\d{1,9}\/)?(?:vm|subvol)-)/g;

/** How names of volumes tell their owner: disks, folders of disks, backups, and backups on a backup server. */
const OWNER =
  /(?<![a-z0-9])(?:(?:vm|base|subvol|basevol)-(\d+)-|vzdump-(?:qemu|lxc|openvz)-(\d+)-|backup\/(?:vm|ct)\/(\d+)\/)|(?<=(?:^|[=,\s])[a-z][\w.-]{0,100}:)(\d+)\//gi;

/** VMIDs are nine digits at most; a longer number owns nothing. */
const LONGEST = 9;

/**
 * The VMIDs of the guests whose volumes or backups the parameters name: `scsi1: local-lvm:vm-200-disk-0` takes a disk
 * of guest 200, whoever's configuration it is written into.
 */
export function ownersIn(parameters: Readonly<Record<string, unknown>>): Set<number> {
  const found = new Set<number>();
  for (const [name, value] of Object.entries(parameters)) if (!PROSE.has(name)) collect(value, found);
  return found;
}

function collect(value: unknown, found: Set<number>): void {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) collect(item, found);
  } else if (typeof value === 'string') {
    for (const match of value.replace(PARENT, '').matchAll(OWNER)) {
      const digits = match.slice(1).find((group) => group !== undefined) ?? '';
      const vmid = Number(digits);
      if (digits.length <= LONGEST && vmid >= 100) found.add(vmid);
    }
  }
}
