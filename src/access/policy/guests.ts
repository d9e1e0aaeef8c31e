import { splitList } from '../../catalogue/formats.ts';
import { isOn } from '../../catalogue/risk-parameters.ts';
import type { HttpMethod } from '../../proxmox/call.ts';
import { isUpid, parseUpid } from '../../proxmox/upid.ts';
import { pathParts } from './matching.ts';
import type { GuestFacts } from './policy.ts';
import { ownersIn } from './volumes.ts';

type Data = Readonly<Record<string, unknown>>;

/** A call as far as it tells which guests it is about. */
export interface GuestCall {
  method: HttpMethod;
  /** Decoded and normalised. */
  path: string;
  data?: Data | undefined;
}

/** The guests of a call, as its path and parameters name them. */
export interface CallGuests {
  /** VMIDs of guests that are there already, that of the path first, each once. */
  vmids: readonly number[];
  /** The guest that the call makes. */
  creates?: NewGuest;
  /** It acts on guests that it does not name; says on which. */
  unnamed?: string;
  /** How many guests a list in its parameters names. */
  listed?: number;
  /** Something stands where a VMID should, and is none. */
  unreadable?: string;
  /** What it changes of what rules look at. */
  changes?: IdentityChange;
}

interface NewGuest {
  vmid: number;
  name?: string;
  tags: readonly string[];
  pool?: string;
  /** The guest it is a copy of, whose tags it takes over. */
  from?: number;
}

/** `undefined` is what stays as it is; `null` what is removed. */
interface IdentityChange {
  name?: string | null;
  tags?: readonly string[];
  pool?: string | null;
  /** Nobody can say what it will be. */
  unknown?: boolean;
}

/** The guests of a call with what is known of them. */
export interface TouchedGuests {
  named: readonly GuestFacts[];
  creates?: GuestFacts;
  unnamed?: string;
  listed?: number;
  unreadable?: string;
  /** What the named guests will be behind the call, in the same order, where it changes what rules look at. */
  after?: readonly GuestFacts[];
}

/**
 * Finds the guests that a call is about: in its path, in parameters that name guests, in tasks' identifiers, and in
 * names of volumes, which tell their owner.
 */
export function guestsOf({ method, path, data = {} }: GuestCall): CallGuests {
  const found = new Found();
  const parts = pathParts(path);
  const reader = new Reader(method, parts, data, found);
  reader.read();
  for (const vmid of ownersIn(data)) found.vmids.add(vmid);
  return found.result();
}

/**
 * Adds to the guests of a call what is known of them.
 *
 * @param facts by VMID; undefined for a guest that does not exist
 */
export function touchedGuests(
  { vmids, creates, changes, ...rest }: CallGuests,
  facts: (vmid: number) => GuestFacts | undefined,
): TouchedGuests {
  const known = (vmid: number): GuestFacts => facts(vmid) ?? { vmid, tags: [] };
  const named = vmids.map(known);
  return {
    ...rest,
    named,
    ...(creates === undefined ? {} : { creates: created(creates, known) }),
    ...(changes === undefined ? {} : { after: named.map((guest) => changed(guest, changes)) }),
  };
}

function created({ from, ...guest }: NewGuest, known: (vmid: number) => GuestFacts): GuestFacts {
  if (from === undefined) return guest;
  const source = known(from);
  return { ...guest, tags: source.tags, ...(source.unknown ? { unknown: true } : {}) };
}

function changed(guest: GuestFacts, { name, tags, pool, unknown }: IdentityChange): GuestFacts {
  const { name: nameNow, pool: poolNow, ...rest } = guest;
  const nextName = name === undefined ? nameNow : name;
  const nextPool = pool === undefined ? poolNow : pool;
  return {
    ...rest,
    tags: tags ?? guest.tags,
    ...(typeof nextName === 'string' ? { name: nextName } : {}),
    ...(typeof nextPool === 'string' ? { pool: nextPool } : {}),
    ...(unknown ? { unknown } : {}),
  };
}

class Found {
  readonly vmids = new Set<number>();
  creates: NewGuest | undefined;
  unnamed: string | undefined;
  listed = 0;
  unreadable: string | undefined;
  changes: IdentityChange | undefined;

  result(): CallGuests {
    const { creates, unnamed, listed, unreadable, changes } = this;
    return {
      vmids: [...this.vmids],
      ...(creates === undefined ? {} : { creates }),
      ...(unnamed === undefined ? {} : { unnamed }),
      ...(listed === 0 ? {} : { listed }),
      ...(unreadable === undefined ? {} : { unreadable }),
      ...(changes === undefined ? {} : { changes }),
    };
  }
}

/** Methods of a node that act on all of its guests where none are named. */
const BULK = /^(?:startall|stopall|suspendall|migrateall)$/;

class Reader {
  readonly #method: HttpMethod;
  readonly #parts: readonly string[];
  readonly #data: Data;
  readonly #found: Found;

  constructor(method: HttpMethod, parts: readonly string[], data: Data, found: Found) {
    this.#method = method;
    this.#parts = parts;
    this.#data = data;
    this.#found = found;
  }

  read(): void {
    const [room, , kind] = this.#parts;
    if (room === 'nodes') {
      if (kind === 'qemu' || kind === 'lxc') this.#guest();
      else this.#node();
    } else if (room === 'cluster') {
      this.#cluster();
    } else if (room === 'pools' && this.#isWrite) {
      this.#pool();
    }
  }

  get #isWrite(): boolean {
    return this.#method !== 'GET';
  }

  /** `/nodes/{node}/qemu` and what is below. */
  #guest(): void {
    const [, , kind, vmid, action] = this.#parts;
    if (vmid === undefined) {
      if (this.#isWrite) this.#create();
      return;
    }
    const own = this.#name(vmid);
    if (!this.#isWrite) return;
    // That of a remote migration is a guest of the other cluster.
    if (action !== 'remote_migrate') this.#name(this.#data['target-vmid'], false);
    if (action === 'clone') this.#clone(kind, own);
    if (action === 'config') this.#configure(kind);
  }

  #create(): void {
    const vmid = vmidOf(this.#data.vmid);
    if (vmid === undefined) {
      this.#found.unreadable = 'vmid';
      return;
    }
    // What is restored over a guest takes its place.
    if (isOn(this.#data.force)) this.#found.vmids.add(vmid);
    this.#found.creates = { vmid, tags: tagsOf(this.#data.tags), ...this.#named(), ...this.#inPool() };
  }

  #clone(kind: string | undefined, from: number | undefined): void {
    const vmid = vmidOf(this.#data.newid);
    if (vmid === undefined || from === undefined) {
      this.#found.unreadable = 'newid';
      return;
    }
    const name = kind === 'lxc' ? this.#data.hostname : this.#data.name;
    this.#found.creates = {
      vmid,
      tags: [],
      from,
      ...(typeof name === 'string' ? { name } : {}),
      ...this.#inPool(),
    };
  }

  /** Name and tags are what rules tell guests by. */
  #configure(kind: string | undefined): void {
    const removed = listOf(this.#data.delete).map((key) => key.toLowerCase());
    const reverted = listOf(this.#data.revert).map((key) => key.toLowerCase());
    const key = kind === 'lxc' ? 'hostname' : 'name';
    const change: IdentityChange = {};
    if (this.#data[key] !== undefined && this.#data[key] !== null) change.name = String(this.#data[key]);
    else if (removed.includes(key)) change.name = null;
    if (this.#data.tags !== undefined && this.#data.tags !== null) change.tags = tagsOf(this.#data.tags);
    else if (removed.includes('tags')) change.tags = [];
    if (reverted.includes(key) || reverted.includes('tags')) change.unknown = true;
    if (Object.keys(change).length > 0) this.#found.changes = change;
  }

  /** What is below a node and is no guest. */
  #node(): void {
    const [, , kind, third, fourth] = this.#parts;
    if (kind === undefined) return;
    if (BULK.test(kind)) this.#list('vms', 'all guests of the node');
    else if (kind === 'execute') this.#found.unnamed = 'whatever the batch holds';
    else if (kind === 'vzdump' && third === undefined && this.#isWrite) this.#backup();
    else if (kind === 'tasks' && third !== undefined) this.#task(third);
    else if (kind === 'replication' && third !== undefined) this.#name(third.split('-')[0]);
    else if (kind === 'storage' && third !== undefined) this.#storage(fourth);
  }

  #storage(action: string | undefined): void {
    const volume = this.#parts[5];
    if (action === 'content' && volume !== undefined) {
      for (const vmid of ownersIn({ volume })) this.#found.vmids.add(vmid);
    }
    if (action === 'content' && volume === undefined && this.#isWrite) this.#name(this.#data.vmid, false);
    if (action !== 'prunebackups') return;
    if (this.#data.vmid !== undefined) this.#name(this.#data.vmid);
    else if (this.#isWrite) this.#found.unnamed = 'backups of every guest';
  }

  #cluster(): void {
    const [, kind, third, fourth] = this.#parts;
    if (kind === 'bulk-action' && this.#isWrite) this.#list('vms', 'all guests of the cluster');
    else if (kind === 'replication') this.#name((third ?? optionalText(this.#data.id))?.split('-')[0], false);
    else if (kind === 'ha' && third === 'resources') this.#ha(fourth ?? this.#data.sid);
    else if (kind === 'ha' && third === 'rules') this.#resources();
    else if (kind === 'backup' && this.#isWrite) this.#backup();
  }

  #ha(sid: unknown): void {
    if (sid !== undefined) this.#name(String(sid).replace(/^(?:vm|ct):/, ''));
  }

  #resources(): void {
    for (const sid of this.#count(listOf(this.#data.resources))) this.#ha(sid);
  }

  /** A job, or a backup now: of the guests in `vmid`, of a pool, or of all. */
  #backup(): void {
    const { vmid, pool, all, exclude } = this.#data;
    for (const one of this.#count(listOf(vmid))) this.#name(one);
    if (pool !== undefined && pool !== null && pool !== '')
      this.#found.unnamed = `the guests of pool ${String(pool)}`;
    else if (isOn(all) || listOf(exclude).length > 0)
      this.#found.unnamed = 'all guests but those that are excluded';
    else if (this.#found.vmids.size === 0) this.#found.unnamed = 'whichever guests the job holds';
  }

  #list(parameter: string, otherwise: string): void {
    if (!this.#isWrite) return;
    const vmids = this.#count(listOf(this.#data[parameter]));
    for (const vmid of vmids) this.#name(vmid);
    if (vmids.length === 0) this.#found.unnamed = otherwise;
  }

  #pool(): void {
    const vms = this.#count(listOf(this.#data.vms));
    for (const vmid of vms) this.#name(vmid);
    if (vms.length === 0) return;
    const pool = this.#parts.length > 1 ? this.#parts.slice(1).join('/') : optionalText(this.#data.poolid);
    this.#found.changes = isOn(this.#data.delete)
      ? { pool: null }
      : { ...(pool === undefined ? { unknown: true } : { pool }) };
  }

  #count(listed: string[]): string[] {
    this.#found.listed += listed.length;
    return listed;
  }

  #task(upid: string): void {
    if (!isUpid(upid)) return;
    const vmid = taskVmid(upid);
    if (vmid !== undefined) this.#found.vmids.add(vmid);
  }

  #name(value: unknown, needed = true): number | undefined {
    if ((value === undefined || value === null) && !needed) return undefined;
    const vmid = vmidOf(value);
    if (vmid === undefined) this.#found.unreadable ??= String(value).slice(0, 40);
    else this.#found.vmids.add(vmid);
    return vmid;
  }

  #named(): { name?: string } {
    const name = this.#data.name ?? this.#data.hostname;
    return typeof name === 'string' && name !== '' ? { name } : {};
  }

  #inPool(): { pool?: string } {
    const pool = optionalText(this.#data.pool);
    return pool === undefined ? {} : { pool };
  }
}

/** A VMID as Proxmox writes it (`pve-vmid`); `0100` and `1e2` are none. */
export function vmidOf(value: unknown): number | undefined {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  return /^[1-9][0-9]{2,8}$/.test(text) ? Number(text) : undefined;
}

/** The guest that a task is about; undefined where it is about none, or about several. */
export function taskVmid(upid: string): number | undefined {
  return isUpid(upid) ? vmidOf(parseUpid(upid).id) : undefined;
}

function tagsOf(value: unknown): string[] {
  return listOf(value).map((tag) => tag.toLowerCase());
}

function listOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? value : [value]).flatMap((item) => splitList(String(item)));
}

function optionalText(value: unknown): string | undefined {
  return value === undefined || value === null || value === '' ? undefined : String(value);
}
