import { apiPath } from '../../../../proxmox/api-path.ts';
import { quoted } from '../../../../proxmox/text.ts';
import { poolMembers } from '../../../access/access-lists.ts';
import { readJobs } from '../../../backups/job-row.ts';
import { someOf } from '../../../fleet.ts';
import { rowsOf, textOf } from '../../../results.ts';
import { type DefinitionKind, type Site, write } from '../definition.ts';
import { rightsFor } from '../rights.ts';

/** Its comment: who is in a pool are each cluster's own guests and storages. */
export const poolKind: DefinitionKind<string> = {
  word: 'pool',
  needs: [],
  async read(cluster) {
    const { data } = await cluster.request({ method: 'GET', path: apiPath`/pools` });
    const pools = rowsOf(data).map(({ poolid, comment: text }) => {
      const comment = textOf(text)?.trimEnd() ?? '';
      return { name: String(poolid), same: comment, fields: { comment }, body: comment };
    });
    // A pool in a pool comes behind it.
    return pools.sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  async problems({ name }, site) {
    const parent = name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined;
    if (parent === undefined || (await site.names('pools')).has(parent)) return [];
    return [`The pool ${quoted(parent)} that it lies in is not there, and is not copied with it.`];
  },
  make: ({ name, body }) => [
    write('POST', apiPath`/pools`, { poolid: name, ...(body === '' ? {} : { comment: body }) }),
  ],
  change: ({ body }, { name }) => [write('PUT', apiPath`/pools`, { poolid: name, comment: body })],
  remove: async ({ name }, site) =>
    (await whyStays(name, site)) ?? [write('DELETE', apiPath`/pools`, { poolid: name })],
};

/** Its members would be in no pool any more, and whoever has rights by it would lose them. */
async function whyStays(pool: string, site: Site): Promise<string | undefined> {
  const names = await site.names('pools');
  if ([...names].some((other) => other.startsWith(`${pool}/`))) return 'Other pools lie in it.';
  const [jobs, kept] = await Promise.all([
    site.once('backup jobs', () => readJobs(site.cluster)),
    site.names('backup_jobs'),
  ]);
  const job = jobs.find((row) => row.pool === pool && kept.has(String(row.id)));
  if (job !== undefined) return `The backup job ${quoted(String(job.id))} backs it up.`;
  const { guests, storages } = await poolMembers(site.cluster, pool);
  const members = [...guests.map(String), ...storages.map(quoted)];
  if (members.length > 0) return `It is not empty: ${someOf(members)}.`;
  return rightsFor(site, 'the pool', ({ path }) => path === `/pool/${pool}`);
}
