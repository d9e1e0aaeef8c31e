import { z } from 'zod';
import { describeApi } from './core/describe-api.ts';
import { getClusterResources } from './core/get-cluster-resources.ts';
import { listClusters } from './core/list-clusters.ts';
import { listNodes } from './core/list-nodes.ts';
import { proxmoxApiCall } from './core/proxmox-api-call.ts';
import { searchApi } from './core/search-api.ts';
import type { Tool, ToolAnnotations } from './define.ts';
import { clusterCapacity } from './inventory/cluster-capacity.ts';
import { clusterHealth } from './inventory/cluster-health.ts';
import { compareClusters } from './inventory/compare-clusters.ts';
import { findGuests } from './inventory/find-guests.ts';
import { listStorage } from './inventory/list-storage.ts';
import { resolveGuest } from './inventory/resolve-guest.ts';
import { listTasks } from './tasks/list-tasks.ts';
import { waitTask } from './tasks/wait-task.ts';

/** Every tool, in the order in which clients see them. */
export const TOOLS: readonly Tool[] = [
  listClusters,
  listNodes,
  getClusterResources,
  searchApi,
  describeApi,
  proxmoxApiCall,
  findGuests,
  listStorage,
  resolveGuest,
  clusterHealth,
  clusterCapacity,
  compareClusters,
  listTasks,
  waitTask,
];

/** What `cluster` looks like in the schemas: absent with one cluster, optional where a default exists. */
export interface EstateShape {
  clusters: readonly string[];
  defaultCluster: string | undefined;
  /** Whether a pattern or a VMID map may select one. */
  isMapped: boolean;
}

/** A tool as `tools/list` shows it. */
export interface ToolListing {
  [key: string]: unknown;
  name: string;
  title: string;
  description: string;
  inputSchema: { [key: string]: unknown; type: 'object' };
  outputSchema: { [key: string]: unknown; type: 'object' };
  annotations: ToolAnnotations;
}

const ERROR_SCHEMA = {
  type: 'object',
  properties: { code: { type: 'string' }, message: { type: 'string' }, hint: { type: 'string' } },
  required: ['code', 'message', 'hint'],
};

/** Names are listed in the schema up to this many; beyond it the model asks list_clusters. */
const MOST_NAMES = 20;

export function listingOf(tool: Tool, estate: EstateShape): ToolListing {
  const { name, title, description, annotations } = tool;
  return {
    name,
    title,
    description,
    inputSchema: inputSchemaOf(tool, estate),
    outputSchema: outputSchemaOf(tool),
    annotations,
  };
}

function inputSchemaOf(tool: Tool, estate: EstateShape): ToolListing['inputSchema'] {
  if (!('cluster' in tool.input.shape)) return jsonSchema(tool.input, 'input');
  const rest = tool.input.omit({ cluster: true });
  if (estate.clusters.length < 2) return jsonSchema(rest, 'input');
  const cluster = z.string().describe(clusterDescription(tool, estate));
  return jsonSchema(
    z.strictObject({ cluster: isRequired(tool, estate) ? cluster : cluster.optional(), ...rest.shape }),
    'input',
  );
}

function isRequired({ withoutCluster }: Tool, { defaultCluster, isMapped }: EstateShape): boolean {
  if (withoutCluster === 'all') return false;
  return defaultCluster === undefined && !(withoutCluster === 'guest' && isMapped);
}

function clusterDescription({ withoutCluster }: Tool, { clusters, defaultCluster }: EstateShape): string {
  const names =
    clusters.length <= MOST_NAMES ? `one of ${clusters.join(', ')}` : 'a name that list_clusters gives';
  const otherwise = withoutCluster === 'all' ? 'all of them' : defaultCluster;
  return `The cluster: ${names}.${otherwise === undefined ? '' : ` ${otherwise} by default.`}`;
}

/**
 * The v1 client holds the answer of a failed call against the output schema too, so the schema has to admit
 * `{error}` beside the tool's own fields.
 */
function outputSchemaOf(tool: Tool): ToolListing['outputSchema'] {
  const { required, properties, ...own } = jsonSchema(tool.output, 'output');
  const fields = typeof properties === 'object' && properties !== null ? properties : {};
  return {
    ...own,
    properties: { ...fields, error: ERROR_SCHEMA },
    anyOf: [{ required: required ?? [] }, { required: ['error'] }],
  };
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): { [key: string]: unknown; type: 'object' } {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema: made }) => {
      // The bounds that every safe integer has say nothing and cost tokens.
      if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
      if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
    },
  });
  return { ...rest, type: 'object' };
}
