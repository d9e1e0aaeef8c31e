import type { GatedCluster, GateRequest } from '../../../access/gate.ts';
import type { ApiPath } from '../../../proxmox/api-path.ts';
import { inQuotes, quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';

/** In the order in which they are made: what is named by others comes before them. */
export const KINDS = ['pools', 'roles', 'aliases', 'ipsets', 'groups', 'backup_jobs'] as const;
export type Kind = (typeof KINDS)[number];

/** Shown lists are bounded; a plan that hides a change would be none. */
const MOST_ITEMS = 60;

type Field = string | readonly string[];

/** Something that a cluster has by name, as it compares with that of another one. */
export interface Definition<Body = unknown> {
  name: string;
  /** Two are alike where this is the same. */
  same: string;
  /** What people are told of it; a list is a set, or in its order. */
  fields: Readonly<Record<string, Field>>;
  body: Body;
}

/** A write of a definition; what has to be so right before it is checked right before it. */
export interface Write {
  request: GateRequest;
  /** @throws CallError CONFLICT where somebody else has changed it meanwhile */
  check?: (() => Promise<void>) | undefined;
}

/** Where definitions are to be made alike. */
export interface Site {
  cluster: GatedCluster;
  /** What the storages of the source are called here. */
  storageMap: Readonly<Record<string, string>>;
  /** Names of a kind that are here, or that this call makes. @throws CallError */
  names(kind: Kind): Promise<ReadonlySet<string>>;
  /** Asks something of the cluster once. */
  once<T>(key: string, ask: () => Promise<T>): Promise<T>;
}

/** How one kind is read, compared and written. */
export interface DefinitionKind<Body> {
  word: string;
  /** Kinds that have to be made before: where they failed, these wait. */
  needs: readonly Kind[];
  /** @throws CallError */
  read(cluster: GatedCluster): Promise<Definition<Body>[]>;
  /** As it has to be at the site; the same where absent. */
  mapped?(definition: Definition<Body>, site: Site): Definition<Body>;
  /** The one at the site that is meant, where it is not the one of the same name. */
  twin?(definition: Definition<Body>, here: readonly Definition<Body>[]): Definition<Body> | undefined;
  /** Why it can't be copied, in sentences. @throws CallError */
  problems?(wanted: Definition<Body>, site: Site): Promise<string[]>;
  make(wanted: Definition<Body>, site: Site): Write[];
  change(wanted: Definition<Body>, present: Definition<Body>, site: Site): Write[];
  /** Or a sentence: why it stays. @throws CallError */
  remove(present: Definition<Body>, site: Site): Promise<Write[] | string>;
}

/** `cidr 10.0.0.0/8`, `comment "office"`: what a definition says. */
export function contentOf({ fields }: Definition): string[] {
  return Object.entries(fields).flatMap(([name, value]) =>
    isEmpty(value) ? [] : [`${name} ${typeof value === 'string' ? shown(name, value) : listed(value)}`],
  );
}

/** `cidr 10.0.0.0/16 → 10.0.0.0/8`, `privileges + VM.Audit; − VM.Backup`: what becomes another one. */
export function changesOf(present: Definition, wanted: Definition): string[] {
  const names = [...new Set([...Object.keys(present.fields), ...Object.keys(wanted.fields)])];
  const changes = names.flatMap((name) => {
    const [now = '', then = ''] = [present.fields[name], wanted.fields[name]];
    if (JSON.stringify(now) === JSON.stringify(then) || (isEmpty(now) && isEmpty(then))) return [];
    if (typeof now === 'string' && typeof then === 'string') {
      return [`${name} ${shown(name, now)} → ${shown(name, then)}`];
    }
    return [`${name} ${listChange(listOf(now), listOf(then))}`];
  });
  // What is cut for people may differ behind the cut.
  return changes.length === 0 ? ['details that are too long to show'] : changes;
}

function listChange(now: readonly string[], then: readonly string[]): string {
  const added = then.filter((item) => !now.includes(item));
  const gone = now.filter((item) => !then.includes(item));
  const parts = [
    ...(added.length === 0 ? [] : [`+ ${listed(added)}`]),
    ...(gone.length === 0 ? [] : [`− ${listed(gone)}`]),
  ];
  return parts.length === 0 ? 'in another order' : parts.join('; ');
}

function listOf(value: Field): readonly string[] {
  return typeof value === 'string' ? (value === '' ? [] : [value]) : value;
}

function listed(items: readonly string[]): string {
  return someOf(items, MOST_ITEMS);
}

function shown(name: string, value: string): string {
  if (value === '') return '(none)';
  return name === 'comment' ? inQuotes(value) : quoted(value);
}

function isEmpty(value: Field): boolean {
  return value.length === 0;
}

/** A write without a check. */
export function write(
  method: 'POST' | 'PUT' | 'DELETE',
  path: ApiPath,
  data?: Readonly<Record<string, unknown>>,
): Write {
  return { request: { method, path, data } };
}
