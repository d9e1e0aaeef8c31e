import type { Risk } from '../../catalogue/types.ts';
import type { HttpMethod, Parameters } from '../../proxmox/call.ts';
import type { PlannedGuest } from './plan.ts';
import { guestName } from './words.ts';

/** A call whose consequences are to be put in words. */
export interface JudgedCall {
  method: HttpMethod;
  /** Decoded segments of the path. */
  segments: readonly string[];
  parameters: Parameters;
  risks: readonly Risk[];
  /** Why the catalogue holds it for risky. */
  reasons: readonly string[];
}

/** What is known of the guest it is about. */
export interface KnownGuest extends PlannedGuest {
  /** `scsi0 local-lvm:vm-100-disk-0 (32G)`. */
  disks: readonly string[];
}

export interface Subject {
  call: JudgedCall;
  /** The path's values that a `*` stands for, in order. */
  values: readonly string[];
  guest: KnownGuest | undefined;
}

export interface LossRule {
  method: HttpMethod;
  /** As in the risk table: `*` is one segment, `(a|b)` either word. */
  path: string;
  lost(subject: Subject): string[];
  /** Sentences, where they depend on the call: what several calls have in common is then said once. */
  undo: string | ((subject: Subject) => string[]);
  snapshotHelps?: boolean;
}

export const GUEST = '/nodes/*/(?:qemu|lxc)/*';

export function named(guest: KnownGuest | undefined): string {
  return guest === undefined ? 'the guest' : guestName(guest);
}
