import type { VmidRange } from '../../config/config.ts';
import type { PolicyFile } from '../../config/policy-schema.ts';
import { parseVmids } from '../../config/vmids.ts';
import { matchesGlob, wildcard } from '../../config/wildcard.ts';
import type { Denial, Note } from './decision.ts';
import { isWithin } from './matching.ts';
import type { Asked, GuestFacts } from './policy.ts';
import type { Seen } from './rules.ts';
import { ownersIn } from './volumes.ts';

/** What counts as `destroy` in the catalogue, and takes nothing of a guest itself. */
const SPARED = [
  /^\/nodes\/[^/]+\/(?:qemu|lxc)\/[^/]+\/firewall\//,
  /^\/nodes\/[^/]+\/(?:qemu|lxc)\/[^/]+\/snapshot\/[^/]+$/,
  /^\/cluster\/(?:ha|replication|bulk-action)\//,
  /^\/nodes\/[^/]+\/(?:stopall|status)$/,
];
/** What a backup is told to prune; without any, it keeps to what the operator set in the storage. */
const PRUNING = ['prune-backups', 'maxfiles', 'remove'];

/** Guests that nobody destroys through this server, whatever is granted. */
export class Protection {
  readonly #tags: readonly string[];
  readonly #names: readonly ((name: string) => boolean)[];
  readonly #vmids: ReadonlyMap<string, readonly VmidRange[]>;

  constructor({ tags = [], names = [], vmids = {} }: NonNullable<PolicyFile['protected']> = {}) {
    this.#tags = tags.map((tag) => tag.toLowerCase());
    this.#names = names.map(wildcard);
    this.#vmids = new Map(Object.entries(vmids).map(([cluster, value]) => [cluster, parseVmids(value)]));
  }

  get needsFacts(): boolean {
    return this.#tags.length > 0 || this.#names.length > 0;
  }

  holds({ vmid, name, tags, unknown }: GuestFacts, cluster: string): boolean {
    for (const [pattern, ranges] of this.#vmids) {
      if (isWithin(vmid, ranges) && matchesGlob(pattern, cluster)) return true;
    }
    // Where nobody could be asked, it may be one.
    if (unknown) return this.needsFacts;
    if (name !== undefined && this.#names.some((matches) => matches(name))) return true;
    return this.#tags.some((wanted) => tags.some((tag) => matchesGlob(wanted, tag.toLowerCase())));
  }

  /** Destroying a protected guest, and taking away what protects it. */
  denial(asked: Asked, seen: Seen, note?: Note): Denial | undefined {
    const { cluster, guests, path, risks, parameters } = asked;
    const { named = [], after = [] } = guests ?? {};
    for (const [index, guest] of named.entries()) {
      if (!this.holds(guest, cluster)) continue;
      const next = after[index];
      const destroys = risks.includes('destroy') && !isSpared(path, parameters);
      const bares = next !== undefined && (next.unknown || !this.holds(next, cluster));
      note?.(
        () =>
          `guest ${guest.vmid} is protected${destroys || bares ? '' : ', and this call does not destroy it'}`,
      );
      if (destroys) return refused(guest, 'nobody may destroy it through this server');
      if (takesVolume(path, parameters, guest.vmid) || attachesVolume(path, parameters, guest.vmid))
        return refused(guest, 'nobody may give its volumes to another guest through this server');
      if (bares) return refused(guest, 'nobody may take the name or tag away that protects it');
    }
    if (seen.unnamed === undefined || !risks.includes('destroy') || !isPruning(path) || !this.#isAny)
      return undefined;
    return refusedUnnamed();
  }

  get #isAny(): boolean {
    return this.needsFacts || this.#vmids.size > 0;
  }
}

function isSpared(path: string, parameters: Readonly<Record<string, unknown>> | undefined): boolean {
  if (SPARED.some((pattern) => pattern.test(path))) return true;
  if (!/^\/nodes\/[^/]+\/vzdump$/.test(path) || parameters === undefined) return false;
  return PRUNING.every((name) => parameters[name] === undefined || parameters[name] === null);
}

/** Makes a volume another guest's, with which it could be destroyed. */
function takesVolume(
  path: string,
  parameters: Readonly<Record<string, unknown>> | undefined,
  vmid: number,
): boolean {
  const target = parameters?.['target-vmid'];
  if (target === undefined || target === null || String(target) === String(vmid)) return false;
  return /\/(?:move_disk|move_volume)$/.test(path);
}

/** Writes a volume into another guest's configuration: it would write to the disk, too. A copy of it is none. */
function attachesVolume(
  path: string,
  parameters: Readonly<Record<string, unknown>> = {},
  vmid: number,
): boolean {
  const match = CONFIGURED.exec(path);
  if (match === null || String(match[1] ?? parameters.vmid) === String(vmid)) return false;
  return Object.entries(parameters).some(
    ([key, value]) => VOLUME_KEY.test(key) && ownersIn({ volume: withoutSource(value) }).has(vmid),
  );
}

/** A guest that is made, or whose configuration is written. */
const CONFIGURED = /^\/nodes\/[^/]+\/(?:qemu|lxc)(?:\/([^/]+)\/config)?$/;
const VOLUME_KEY = /^(?:(?:scsi|virtio|ide|sata|mp|unused)\d+|efidisk0|tpmstate0|rootfs|cdrom)$/;

/** A disk without what it is to be a copy of. */
function withoutSource(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/(^|,)\s*import-from=[^,]*/g, '$1');
  if (typeof value !== 'object' || value === null) return value;
  return { ...value, 'import-from': undefined };
}

/** Deletes backups of guests that it does not name. */
function isPruning(path: string): boolean {
  return /^\/nodes\/[^/]+\/storage\/[^/]+\/prunebackups$/.test(path);
}

function refused({ vmid }: GuestFacts, why: string): Denial {
  return {
    rule: 'protected guests',
    reason: `Guest ${vmid} is protected: ${why}`,
    hint: 'It can be done in Proxmox VE itself, by a person who may.',
  };
}

function refusedUnnamed(): Denial {
  return {
    rule: 'protected guests',
    reason: 'It deletes backups of every guest, those of protected ones among them',
    hint: 'Name the guest whose backups are meant in vmid.',
  };
}
