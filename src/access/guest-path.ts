/** A path of one guest, taken apart: `/nodes/{node}/qemu/{vmid}` and what is below. */
export interface GuestPath {
  node: string;
  type: 'qemu' | 'lxc';
  vmid: number;
  /** From the slash behind the VMID on; empty for the guest itself. */
  rest: string;
}

const GUEST = /^\/nodes\/([^/]+)\/(qemu|lxc)\/(\d+)(\/.*)?$/;

/**
 * @param path decoded
 * @returns undefined where it is no guest's
 */
export function guestPathOf(path: string): GuestPath | undefined {
  const [whole, node = '', type, vmid, rest = ''] = GUEST.exec(path) ?? [];
  if (whole === undefined) return undefined;
  return { node, type: type === 'lxc' ? 'lxc' : 'qemu', vmid: Number(vmid), rest };
}

/** The guest in the path of a call; undefined where there is none. */
export function guestInPath(path: string): number | undefined {
  return guestPathOf(path)?.vmid;
}
