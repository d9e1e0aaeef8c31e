import type { VmidRange } from '../../config/config.ts';
import type { PolicyGuests } from '../../config/policy-schema.ts';
import { parseVmids } from '../../config/vmids.ts';
import { matchesGlob, wildcard } from '../../config/wildcard.ts';
import type { GuestFacts, Tenant } from './policy.ts';

/** Whether a rule allows or denies: in doubt, one that allows does not hold, and one that denies does. */
export type Effect = 'allow' | 'deny';

/**
 * The parts of a path as Proxmox routes it: names of volumes and networks hold slashes, and all that is left of the
 * path is then one part (`fragmentDelimiter` in PVE::API2::Storage::Status and PVE::API2::Firewall::IPSet).
 */
export function pathParts(path: string): readonly string[] {
  const parts = path === '/' ? [] : path.slice(1).split('/');
  const at = restOf(parts);
  return at === undefined || parts.length <= at + 1
    ? parts
    : [...parts.slice(0, at), parts.slice(at).join('/')];
}

function restOf(parts: readonly string[]): number | undefined {
  if (parts[0] === 'nodes' && parts[2] === 'storage' && parts[4] === 'content') return 5;
  const ipset = parts.indexOf('ipset');
  return ipset > 0 && parts[ipset - 1] === 'firewall' ? ipset + 2 : undefined;
}

/** A pattern of paths: `*` stands for one part or a piece of it, `**` at the end for any parts, or none. */
export class PathPattern {
  readonly text: string;
  readonly #parts: readonly string[];
  readonly #openEnd: boolean;

  constructor(text: string) {
    this.text = text;
    const parts = text === '/' ? [] : text.slice(1).split('/');
    this.#openEnd = parts.at(-1) === '**';
    this.#parts = this.#openEnd ? parts.slice(0, -1) : parts;
  }

  /** @param path parts from `pathParts` */
  matches(path: readonly string[], effect: Effect): boolean {
    const wanted = this.#parts;
    if (this.#openEnd ? path.length < wanted.length : path.length !== wanted.length) return false;
    for (let index = 0; index < wanted.length; index++) {
      const part = wanted[index] ?? '';
      const given = path[index] ?? '';
      if (part === '*' || part === given || isAlias(path, index, effect)) continue;
      if (!part.includes('*') || !matchesGlob(part, given)) return false;
    }
    return true;
  }

  /** Whether it can match a path of this template, whose `{parameters}` may be anything. */
  mayMatch(template: string): boolean {
    const parts = pathParts(template);
    const wanted = this.#parts;
    if (this.#openEnd ? parts.length < wanted.length : parts.length !== wanted.length) return false;
    return wanted.every((part, index) => {
      const given = parts[index] ?? '';
      return given.startsWith('{') || matchesGlob(part, given);
    });
  }
}

/** Every node answers to `localhost` as well, so that a rule against one node has to be a rule against that name. */
function isAlias(path: readonly string[], index: number, effect: Effect): boolean {
  return effect === 'deny' && index === 1 && path[0] === 'nodes' && path[1]?.toLowerCase() === 'localhost';
}

/** The guests that a rule is about: each of the kinds that are given has to fit. */
export class GuestPattern {
  readonly #vmids: readonly VmidRange[] | undefined;
  readonly #names: readonly ((name: string) => boolean)[] | undefined;
  readonly #tags: readonly string[] | undefined;
  readonly #pools: readonly string[] | undefined;

  constructor({ vmids, names, tags, pools }: PolicyGuests) {
    this.#vmids = vmids === undefined ? undefined : parseVmids(vmids);
    this.#names = names?.map(wildcard);
    this.#tags = tags?.map((tag) => tag.toLowerCase());
    this.#pools = pools;
  }

  /** Whether it looks at more than the VMID. */
  get needsFacts(): boolean {
    return (this.#names ?? this.#tags ?? this.#pools) !== undefined;
  }

  matches(guest: GuestFacts, effect: Effect): boolean {
    if (this.#vmids !== undefined && !isWithin(guest.vmid, this.#vmids)) return false;
    if (!this.needsFacts) return true;
    if (guest.unknown) return effect === 'deny';
    const { name, pool } = guest;
    return (
      (this.#names === undefined || (name !== undefined && this.#names.some((matches) => matches(name)))) &&
      (this.#tags === undefined ||
        this.#tags.some((wanted) => guest.tags.some((tag) => matchesGlob(wanted, tag.toLowerCase())))) &&
      (this.#pools === undefined ||
        (pool !== undefined && this.#pools.some((wanted) => matchesGlob(wanted, pool))))
    );
  }
}

export function isWithin(vmid: number, ranges: readonly VmidRange[]): boolean {
  return ranges.some(({ from, to }) => vmid >= from && vmid <= to);
}

/** Where a guest is, as an inventory or the gate knows it. */
interface Placed {
  tags: readonly string[];
  pool?: string | undefined;
  unknown?: boolean;
}

/** Whether a guest is one of the tenant's. Names of pools are exact: Proxmox tells `web` from `Web`. */
export function isOfTenant(guest: Placed, tenant: Pick<Tenant, 'pools' | 'tags'>): boolean {
  if (guest.unknown) return false;
  if (guest.pool !== undefined && tenant.pools.includes(guest.pool)) return true;
  return guest.tags.some((tag) => tenant.tags.includes(tag.toLowerCase()));
}
