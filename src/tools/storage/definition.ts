import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isTrue } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { compact, rowsOf, textOf } from '../results.ts';
import { retentionText } from '../retention.ts';
import { withoutSecrets } from './kinds.ts';

/** `GET /storage/{storage}` would need Datastore.Allocate; the list shows whatever may be seen at all. */
export const DEFINITION_CALLS = [['GET', '/storage']] as const;

const CONTENTS = ['images', 'rootdir', 'iso', 'vztmpl', 'backup', 'snippets', 'import', 'none'] as const;
export const contentsParam = z.array(z.enum(CONTENTS)).min(1).optional();

/** A storage as the cluster has it configured. */
export interface Definition {
  storage: string;
  type: string;
  content: string[];
  /** Undefined: all nodes. */
  nodes: string[] | undefined;
  enabled: boolean;
  shared: boolean;
  pruneBackups: string | undefined;
  /** What only its type has. */
  options: Readonly<Record<string, unknown>>;
  digest: string | undefined;
}

export const shownDefinition = z.object({
  storage: z.string(),
  type: z.string(),
  enabled: z.boolean(),
  content: z.array(z.string()),
  nodes: z.array(z.string()).optional().describe('Absent: all.'),
  shared: z.boolean(),
  prune_backups: z.string().optional(),
  options: z.record(z.string(), z.unknown()),
  digest: z.string().optional(),
});

export function shown(definition: Definition): z.output<typeof shownDefinition> {
  const { storage, type, enabled, content, shared, options, nodes, pruneBackups, digest } = definition;
  const rest = compact({ nodes, prune_backups: pruneBackups, digest });
  return { storage, type, enabled, content, shared, options: withoutSecrets(options), ...rest };
}

/** @throws CallError */
export async function readDefinitions(cluster: GatedCluster): Promise<Definition[]> {
  const { data } = await cluster.request({ method: 'GET', path: apiPath`/storage` });
  return rowsOf(data).map((row) => {
    const {
      storage,
      type,
      content,
      nodes,
      disable,
      shared,
      digest,
      'prune-backups': prune,
      ...options
    } = row;
    return {
      storage: String(storage),
      type: String(type),
      content: listOf(content),
      nodes: textOf(nodes) === undefined ? undefined : listOf(nodes),
      enabled: !isTrue(disable),
      shared: isTrue(shared),
      pruneBackups: retentionText(prune),
      options,
      digest: textOf(digest),
    };
  });
}

/** @throws CallError NOT_FOUND that names those that there are */
export async function requireDefinition(cluster: GatedCluster, storage: string): Promise<Definition> {
  const definitions = await readDefinitions(cluster);
  const found = definitions.find((one) => one.storage === storage);
  if (found !== undefined) return found;
  const names = definitions.map((one) => one.storage).sort();
  throw new CallError('NOT_FOUND', `${cluster.name} has no storage ${inQuotes(storage)}.`, {
    cluster: cluster.name,
    hint: `Its storages are: ${someOf(names, 30) || 'none that the token sees'}. Nothing was sent.`,
  });
}

/** @throws CallError INVALID_ARGUMENTS for nodes that the cluster does not have */
export async function requireNodes(
  cluster: GatedCluster,
  nodes: readonly string[] | undefined,
): Promise<void> {
  if (nodes === undefined || nodes.length === 0) return;
  const known = (await cluster.inventory()).nodes.map(({ node }) => node).sort();
  const unknown = nodes.filter((node) => !known.includes(node));
  if (unknown.length === 0) return;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `${cluster.name} has no node ${someOf(unknown.map((node) => inQuotes(node)))}.`,
    {
      cluster: cluster.name,
      hint: `Its nodes are: ${someOf(known, 30)}. Nothing was sent.`,
    },
  );
}

export const storageIdParam = textParam(100);
export const optionsParam = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

function listOf(value: unknown): string[] {
  return typeof value === 'string' ? value.split(/[,;\s]+/).filter(Boolean) : [];
}
