import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isObject } from '../catalogue/json.ts';
import type { BackupSpec, ClusterSpec, GuestSpec, SnapshotSpec, StorageSpec } from './estate.ts';
import { STORAGE_TYPES } from './state/cluster-state.ts';

/** Fails to compile where an estate has a field that is not read here. */
type FieldsOf<T> = Record<keyof T, z.ZodType>;

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be a name of letters, digits, . _ and -');
const option = z.union([z.string(), z.number()]);

const snapshot = z.strictObject({
  name,
  description: z.string().exactOptional(),
  parent: name.exactOptional(),
  ageHours: z.number().min(0).exactOptional(),
  vmstate: z.boolean().exactOptional(),
} satisfies FieldsOf<SnapshotSpec>);

const backup = z.strictObject({
  storage: name.exactOptional(),
  ageDays: z.number().min(0),
  notes: z.string().exactOptional(),
  protected: z.boolean().exactOptional(),
} satisfies FieldsOf<BackupSpec>);

const guest = z.strictObject({
  vmid: z.int().min(100).max(999_999_999),
  type: z.enum(['qemu', 'lxc']),
  node: name,
  name,
  status: z.enum(['running', 'stopped']).exactOptional(),
  template: z.boolean().exactOptional(),
  cores: z.int().min(1).exactOptional(),
  memoryMib: z.int().min(16).exactOptional(),
  diskGib: z.number().positive().exactOptional(),
  storage: name.exactOptional(),
  tags: z.array(z.string()).exactOptional(),
  pool: z.string().exactOptional(),
  lock: z.string().exactOptional(),
  config: z.record(z.string(), option).exactOptional(),
  snapshots: z.array(snapshot).exactOptional(),
  backups: z.array(backup).exactOptional(),
} satisfies FieldsOf<GuestSpec>);

const storage = z.strictObject({
  storage: name,
  type: z.enum(STORAGE_TYPES),
  content: z.array(z.string()),
  nodes: z.array(name).exactOptional(),
  shared: z.boolean().exactOptional(),
  totalGib: z.number().positive().exactOptional(),
  options: z.record(z.string(), z.string()).exactOptional(),
} satisfies FieldsOf<StorageSpec>);

const node = z.strictObject({
  name,
  cpus: z.int().min(1).exactOptional(),
  memoryGib: z.number().positive().exactOptional(),
});

const cluster = z.strictObject({
  name,
  nodes: z.array(node).min(1),
  guests: z.array(guest).exactOptional(),
  storages: z.array(storage).exactOptional(),
  pools: z.array(z.strictObject({ poolid: z.string(), comment: z.string().exactOptional() })).exactOptional(),
  ceph: z.boolean().exactOptional(),
  backupJobs: z
    .array(z.strictObject({ id: name, enabled: z.boolean(), options: z.record(z.string(), option) }))
    .exactOptional(),
  state: z.record(z.string(), z.unknown()).exactOptional(),
} satisfies FieldsOf<ClusterSpec>) satisfies z.ZodType<ClusterSpec>;

/**
 * Reads an estate: a list of clusters, an object with such a list as `clusters`, or the path of a JSON file
 * with either.
 *
 * @throws Error naming every wrong field, and of which cluster
 */
export function readEstate(source: unknown): ClusterSpec[] {
  const given = typeof source === 'string' ? parseFile(source) : source;
  const list: unknown = Array.isArray(given)
    ? given
    : isObject(given) && 'clusters' in given
      ? given.clusters
      : given;
  if (!Array.isArray(list) || list.length === 0) {
    throw new Error('the estate is not a list of clusters, nor an object with one as "clusters"');
  }
  const problems: string[] = [];
  const clusters = list.flatMap((item: unknown, position) => {
    const parsed = cluster.safeParse(item);
    const called =
      isObject(item) && typeof item.name === 'string' ? `'${item.name}'` : `number ${position + 1}`;
    const wrong = parsed.success ? contradictions(parsed.data) : issues(parsed.error);
    problems.push(...wrong.map((text) => `cluster ${called}: ${text}`));
    return parsed.success ? [parsed.data] : [];
  });
  problems.push(
    ...repeated(clusters.map((spec) => spec.name)).map((twice) => `two clusters are called '${twice}'`),
  );
  if (problems.length > 0) throw new Error(`the estate is wrong:\n  ${problems.join('\n  ')}`);
  return clusters;
}

function parseFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`can't read the estate from ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

function issues({ issues: all }: z.ZodError): string[] {
  return all.map(({ path, message }) => {
    const field = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
    return `${field.replace(/^\./, '') || 'the whole'}: ${message}`;
  });
}

/** What is well-formed and yet can't be. */
function contradictions(spec: ClusterSpec): string[] {
  const nodes = new Set(spec.nodes.map((candidate) => candidate.name));
  const pools = new Set(spec.pools?.map(({ poolid }) => poolid));
  const guests = spec.guests ?? [];
  return [
    ...repeated(guests.map(({ vmid }) => String(vmid))).map((vmid) => `guests: two have the vmid ${vmid}`),
    ...repeated([...spec.nodes.map((candidate) => candidate.name)]).map(
      (twice) => `nodes: two are called '${twice}'`,
    ),
    ...guests.flatMap(({ node: on, pool, vmid }, index) => [
      ...(nodes.has(on) ? [] : [`guests[${index}].node: guest ${vmid} is on '${on}', which is no node`]),
      ...(pool === undefined || pools.has(pool) ? [] : [`guests[${index}].pool: there is no pool '${pool}'`]),
    ]),
  ];
}

function repeated(names: string[]): string[] {
  return [...new Set(names.filter((candidate, index) => names.indexOf(candidate) !== index))];
}
