import { setImmediate as nextTurn } from 'node:timers/promises';
import { isObject, text } from '../catalogue/json.ts';
import type { GuestRow, Inventory, NodeRow, StorageRow } from './inventory.ts';

type Row = Record<string, unknown>;

/** So many are made anew in some five milliseconds. */
const ROWS_AT_ONCE = 500;

/** A row of PVE's as it came, and what was made of it. */
interface Known {
  raw: Row;
  guest?: GuestRow;
  node?: NodeRow;
  storage?: StorageRow;
}

/** What a new answer brought. */
export interface InventoryChange {
  added: number;
  changed: number;
  removed: number;
}

/** Makes inventories of answers, each from the one before: rows that did not change are not made anew. */
export class InventoryRows {
  #known = new Map<string, Known>();

  /**
   * Lets other work in between where there are many rows: those of all running guests change each time.
   *
   * @param data PVE's `data` of `GET /cluster/resources`
   * @param asOf when it was asked for, in epoch milliseconds
   */
  async next(
    data: readonly unknown[],
    asOf: number,
  ): Promise<{ inventory: Inventory; change: InventoryChange }> {
    const before = this.#known;
    const after = new Map<string, Known>();
    const change: InventoryChange = { added: 0, changed: 0, removed: 0 };
    for (const [index, raw] of data.entries()) {
      if (index % ROWS_AT_ONCE === 0 && index > 0) await nextTurn();
      if (!isObject(raw)) continue;
      const id = text(raw.id) ?? `#${index}`;
      const known = before.get(id);
      if (known === undefined) change.added++;
      else if (!isSame(known.raw, raw)) change.changed++;
      else {
        after.set(id, known);
        continue;
      }
      after.set(id, normalised(raw));
    }
    if (data.length > ROWS_AT_ONCE) await nextTurn();
    for (const id of before.keys()) if (!after.has(id)) change.removed++;
    this.#known = after;
    return { inventory: inventoryOf([...after.values()], asOf), change };
  }
}

function inventoryOf(known: readonly Known[], asOf: number): Inventory {
  return {
    guests: known.flatMap(({ guest }) => guest ?? []),
    nodes: known.flatMap(({ node }) => node ?? []),
    storages: known.flatMap(({ storage }) => storage ?? []),
    rows: known.map(({ raw }) => raw),
    asOf,
  };
}

/** Rows are flat; a member that is not counts as changed. */
function isSame(before: Row, after: Row): boolean {
  const names = Object.keys(after);
  return (
    names.length === Object.keys(before).length && names.every((name) => Object.is(before[name], after[name]))
  );
}

function normalised(raw: Row): Known {
  if (raw.type === 'qemu' || raw.type === 'lxc') {
    const guest = guestOf(raw, raw.type);
    return guest === undefined ? { raw } : { raw, guest };
  }
  if (raw.type === 'node') return { raw, node: nodeOf(raw) };
  if (raw.type === 'storage') return { raw, storage: storageOf(raw) };
  return { raw };
}

function guestOf(raw: Row, type: 'qemu' | 'lxc'): GuestRow | undefined {
  const vmid = number(raw.vmid);
  if (vmid === undefined) return undefined;
  const name = text(raw.name);
  return {
    id: `${type}/${vmid}`,
    type,
    vmid,
    node: text(raw.node) ?? '',
    name,
    nameLower: name?.toLowerCase(),
    status: text(raw.status) ?? 'unknown',
    template: Number(raw.template) === 1,
    ...usage(raw),
    pool: text(raw.pool),
    tags: words(text(raw.tags)?.toLowerCase()),
    lock: text(raw.lock),
    haState: text(raw.hastate),
  };
}

function nodeOf(raw: Row): NodeRow {
  return { node: text(raw.node) ?? '', status: text(raw.status) ?? 'unknown', ...usage(raw) };
}

function storageOf(raw: Row): StorageRow {
  return {
    id: String(raw.id),
    storage: text(raw.storage) ?? '',
    node: text(raw.node) ?? '',
    status: text(raw.status) ?? 'unknown',
    pluginType: text(raw.plugintype),
    shared: Number(raw.shared) === 1,
    content: words(text(raw.content)),
    usedBytes: number(raw.disk),
    totalBytes: number(raw.maxdisk),
  };
}

function usage(raw: Row) {
  return {
    cpuFraction: number(raw.cpu),
    cpus: number(raw.maxcpu),
    memBytes: number(raw.mem),
    maxMemBytes: number(raw.maxmem),
    diskBytes: number(raw.disk),
    maxDiskBytes: number(raw.maxdisk),
    uptimeSeconds: number(raw.uptime),
  };
}

/** PVE separates lists by comma, semicolon or blanks. */
function words(list: string | undefined): string[] {
  return list?.split(/[;, ]+/).filter((word) => word !== '') ?? [];
}

/** Perl writes some numbers as text. */
function number(value: unknown): number | undefined {
  const read = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof read === 'number' && Number.isFinite(read) ? read : undefined;
}
