import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import { CallError } from '../../proxmox/errors.ts';
import { cleanText, quoted } from '../../proxmox/text.ts';
import type { ApiCall } from '../define.ts';
import { someOf } from '../fleet.ts';
import type { LiveState } from '../guest-live.ts';
import type { GuestTarget } from '../guest-target.ts';
import { textParam } from '../params.ts';
import { compact, numberOf, rowsOf, textOf } from '../results.ts';

/** PVE's limit for the name of a snapshot. */
const LONGEST_NAME = 40;

/** Of a snapshot that exists: whatever it is called, it can be named. */
export const snapshotParam = textParam(LONGEST_NAME);

/** Of a new one, by PVE's format `pve-configid`, which it calls "invalid" without a word on why. */
export const newSnapshotParam = textParam(LONGEST_NAME)
  .refine(
    (name) => /^[a-z][\w-]+$/i.test(name),
    'must begin with a letter and go on with letters, digits, _ and -; at least 2 characters',
  )
  .refine(
    (name) => !['current', 'pending'].includes(name.toLowerCase()),
    'is a name that Proxmox keeps for itself',
  );

/** As long as PVE takes. An empty one removes what there is. */
export const descriptionParam = z
  .string()
  .refine((text) => text.length <= 4096, 'is longer than 4096 characters');

/** The calls of VMs and containers alike: `snapshotCalls(['GET', '/snapshot'])`. */
export function snapshotCalls(
  ...calls: readonly (readonly [method: HttpMethod, below: string, ...names: string[]])[]
): ApiCall[] {
  return ['qemu', 'lxc'].flatMap((type) =>
    calls.map(
      ([method, below, ...names]): ApiCall => [method, `/nodes/{node}/${type}/{vmid}${below}`, ...names],
    ),
  );
}

export interface Snapshot {
  name: string;
  /** The snapshot it was taken on top of. */
  parent?: string;
  /** Epoch seconds. */
  takenAt?: number;
  description?: string;
  hasRam: boolean;
  /** `prepare` or `delete`: taking or deleting it was broken off. */
  unfinished?: string;
}

export interface Snapshots {
  all: readonly Snapshot[];
  /** The snapshot that the present state descends from. */
  current: string | undefined;
}

/** @throws CallError */
export async function readSnapshots({ cluster, at }: GuestTarget): Promise<Snapshots> {
  const { data } = await cluster.request({ method: 'GET', path: at('snapshot') });
  const rows = rowsOf(data);
  // PVE closes the list with a row for the present state.
  const present = rows.find(({ name }) => name === 'current');
  return {
    all: rows.filter((row) => row !== present).map(snapshotOf),
    current: textOf(present?.parent),
  };
}

function snapshotOf(row: Record<string, unknown>): Snapshot {
  return {
    name: textOf(row.name) ?? '',
    hasRam: row.vmstate === 1 || row.vmstate === true,
    ...compact({
      parent: textOf(row.parent),
      takenAt: numberOf(row.snaptime),
      description: textOf(row.description)?.trim(),
      unfinished: textOf(row.snapstate),
    }),
  };
}

/**
 * Finds the snapshot that is meant.
 *
 * @throws CallError NOT_FOUND that names those there are
 */
export function requireSnapshot({ all }: Snapshots, name: string, { cluster, guest }: GuestTarget): Snapshot {
  const found = all.find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found;
  const names = someOf(all.map((snapshot) => quoted(snapshot.name)));
  throw new CallError('NOT_FOUND', `Guest ${guest.vmid} has no snapshot ${quoted(name)}.`, {
    cluster: cluster.name,
    hint: `${names === '' ? 'It has none at all.' : `It has ${names}.`} Nothing was sent.`,
  });
}

/** @throws CallError CONFLICT where the guest is locked: the task would end with no more than that */
export function requireUnlocked({ lock }: Pick<LiveState, 'lock'>, { cluster, guest }: GuestTarget): void {
  if (lock === undefined) return;
  throw new CallError('CONFLICT', `Guest ${guest.vmid} is locked (${cleanText(lock)}).`, {
    cluster: cluster.name,
    hint: 'Something works on it: list_tasks with its vmid tells what. Try again when that is over. Nothing was sent.',
  });
}

/** The guard of every write: the VMID may belong to another guest by now. */
export function expecting(name: string | undefined): Pick<GateRequest, 'expectName'> {
  return name === undefined ? {} : { expectName: name };
}

/**
 * What a check in advance found, undefined where the caller or the token may not ask: that alone is no reason to
 * refuse, as Proxmox judges the write itself.
 */
export async function ifReadable<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (error instanceof CallError && error.code === 'PERMISSION_DENIED') return undefined;
    throw error;
  }
}

/** Whether the storages of the guest's disks can hold snapshots. @throws CallError */
export async function canSnapshot(cluster: GatedCluster, { at }: GuestTarget): Promise<boolean> {
  const request = { method: 'GET', path: at('feature'), data: { feature: 'snapshot' } } as const;
  const { data } = await cluster.request(request);
  return !isObject(data) || data.hasFeature !== 0;
}
