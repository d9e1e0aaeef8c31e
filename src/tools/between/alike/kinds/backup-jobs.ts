import type { GatedCluster } from '../../../../access/gate.ts';
import { isTrue, type Json } from '../../../../catalogue/json.ts';
import { apiPath } from '../../../../proxmox/api-path.ts';
import { quoted } from '../../../../proxmox/text.ts';
import { readJobs } from '../../../backups/job-row.ts';
import { someOf } from '../../../fleet.ts';
import { readProperties } from '../../../property-string.ts';
import { type Definition, type DefinitionKind, type Site, write } from '../definition.ts';

/** As the parameters of Proxmox. */
export type JobOptions = Readonly<Record<string, string | readonly string[]>>;

/** What Proxmox tells of a job and nobody sets, and the two in whose place a schedule stands. */
const TOLD = ['id', 'type', 'digest', 'next-run', 'dow', 'starttime'];
/** Names of files on the host, which root@pam alone may set. */
const OF_ROOT = ['dumpdir', 'tmpdir', 'script'];
/** Its storage is a storage of the cluster, too. */
const FLEECING = 'fleecing';

export const backupJobKind: DefinitionKind<JobOptions> = {
  word: 'backup job',
  needs: ['pools'],
  read: async (cluster) => (await readJobs(cluster)).map((row) => jobOf(String(row.id), optionsOf(row))),
  mapped: ({ name, body }, { storageMap }) => {
    const named = (storage: string) => storageMap[storage] ?? storage;
    const { storage, [FLEECING]: fleecing } = body;
    return jobOf(name, {
      ...body,
      ...(typeof storage === 'string' ? { storage: named(storage) } : {}),
      ...(typeof fleecing === 'string' ? { [FLEECING]: withStorage(fleecing, named) } : {}),
    });
  },
  // Proxmox makes ids up: the same job may have another one there, and is known by its comment.
  twin: ({ body: { comment } }, here) => {
    const found = comment === undefined ? [] : here.filter(({ body }) => body.comment === comment);
    return found.length === 1 ? found[0] : undefined;
  },
  async problems({ body }, site) {
    const { cluster } = site;
    const [{ nodes }, method] = await Promise.all([cluster.inventory(), addMethod(cluster)]);
    const { vmid, exclude, node } = body;
    const given = OF_ROOT.filter((name) => body[name] !== undefined);
    const unknown = Object.keys(body).filter((name) => method !== undefined && !(name in method.parameters));
    return [
      ...(vmid === undefined ? [] : [`It names guests by VMIDs (${vmid}), which mean others there.`]),
      ...(exclude === undefined
        ? []
        : [`It leaves out guests by VMIDs (${exclude}), which mean others there.`]),
      ...(node === undefined || nodes.some((row) => row.node === node)
        ? []
        : [`It runs on the node ${quoted(String(node))} alone, which is not there.`]),
      ...(given.length === 0 ? [] : [`${given.join(', ')} can be set by root@pam alone.`]),
      ...(unknown.length === 0 ? [] : [`${cluster.name} knows no ${unknown.join(', ')} of jobs.`]),
      ...(await storageProblems(body, site)),
      ...(await poolProblems(body, site)),
    ];
  },
  make: ({ name, body }) => [write('POST', apiPath`/cluster/backup`, { id: name, ...body })],
  change: ({ body }, { name, body: now }) => {
    const given = Object.entries(body).filter(
      ([option, value]) => String(value) !== String(now[option] ?? ''),
    );
    const gone = Object.keys(now).filter((option) => !(option in body));
    const removed = gone.length === 0 ? {} : { delete: gone.join(',') };
    return [write('PUT', apiPath`/cluster/backup/${name}`, { ...Object.fromEntries(given), ...removed })];
  },
  remove: async ({ name }) => [write('DELETE', apiPath`/cluster/backup/${name}`)],
};

function jobOf(name: string, body: JobOptions): Definition<JobOptions> {
  const { enabled, ...rest } = body;
  const entries = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const fields = { ...Object.fromEntries(entries), enabled: enabled === '1' ? 'yes' : 'no' };
  return { name, same: JSON.stringify([enabled, entries]), fields, body };
}

function optionsOf(row: Json): JobOptions {
  const schedule = row.schedule ?? [row.dow, row.starttime].filter((part) => part !== undefined).join(' ');
  const given = Object.entries({ ...row, schedule }).filter(
    ([name, value]) => !TOLD.includes(name) && value !== undefined && value !== null && value !== '',
  );
  const options = Object.fromEntries(given.map(([name, value]) => [name, written(value)]));
  // PVE leaves out what has its default.
  return {
    mode: 'snapshot',
    ...options,
    enabled: row.enabled === undefined || isTrue(row.enabled) ? '1' : '0',
  };
}

/** As it is set; some are read as objects, and were written as text. */
function written(value: unknown): string | readonly string[] {
  if (Array.isArray(value)) return value.map(String);
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value !== 'object' || value === null) return String(value).trimEnd();
  const pairs = Object.entries(value).map(([key, item]) => `${key}=${written(item)}`);
  return pairs.sort().join(',');
}

function withStorage(fleecing: string, named: (storage: string) => string): string {
  return fleecing.replace(
    /(^|,)storage=([^,]+)/,
    (_all, before, storage) => `${before}storage=${named(storage)}`,
  );
}

/** What the job calls its method with; undefined where only the built-in description is known. */
async function addMethod(cluster: GatedCluster) {
  const catalogue = await cluster.catalogue();
  return catalogue.source === 'built-in' ? undefined : catalogue.get('POST', '/cluster/backup');
}

async function storageProblems(
  { storage, [FLEECING]: fleecing }: JobOptions,
  { cluster }: Site,
): Promise<string[]> {
  const { storages } = await cluster.inventory();
  const fitting = (content: string) => [
    ...new Set(storages.filter((row) => row.content.includes(content)).map((row) => row.storage)),
  ];
  const lack = (name: string, content: string, what: string): string[] => {
    const there = fitting(content);
    if (there.includes(name)) return [];
    const choice = someOf(there.sort().map(quoted), 20) || 'none';
    return [
      `${cluster.name} has no storage ${quoted(name)} that holds ${what}: say in storage_map which it is there, one of ${choice}.`,
    ];
  };
  const images = typeof fleecing === 'string' ? readProperties(fleecing).options.get('storage') : undefined;
  return [
    ...(typeof storage === 'string' ? lack(storage, 'backup', 'backups') : []),
    ...(images === undefined ? [] : lack(images, 'images', 'disks')),
  ];
}

async function poolProblems({ pool }: JobOptions, site: Site): Promise<string[]> {
  if (typeof pool !== 'string' || (await site.names('pools')).has(pool)) return [];
  return [`The pool ${quoted(pool)} is not there, and is not copied with it.`];
}
