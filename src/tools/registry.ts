import { z } from 'zod';
import { isObject } from '../catalogue/json.ts';
import { ACCESS_TOOLS } from './access/tools.ts';
import { AGENT_TOOLS } from './agent/tools.ts';
import { API_TOOLS } from './api/tools.ts';
import { BACKUPS_TOOLS } from './backups/tools.ts';
import { BETWEEN_TOOLS } from './between/tools.ts';
import { CEPH_TOOLS } from './ceph/tools.ts';
import { CLOUDINIT_TOOLS } from './cloudinit/tools.ts';
import type { Tool, ToolAnnotations } from './define.ts';
import { FIREWALL_TOOLS } from './firewall/tools.ts';
import { GUESTS_TOOLS } from './guests/tools.ts';
import { HA_TOOLS } from './ha/tools.ts';
import { INVENTORY_TOOLS } from './inventory/tools.ts';
import { METRICS_TOOLS } from './metrics/tools.ts';
import { NETWORK_TOOLS } from './network/tools.ts';
import { REPLICATION_TOOLS } from './replication/tools.ts';
import { SNAPSHOTS_TOOLS } from './snapshots/tools.ts';
import { STORAGE_TOOLS } from './storage/tools.ts';
import { SYSTEM_TOOLS } from './system/tools.ts';
import { TASKS_TOOLS } from './tasks/tools.ts';

/** Every tool, in the order in which clients see them. */
export const TOOLS: readonly Tool[] = [
  ...INVENTORY_TOOLS,
  ...GUESTS_TOOLS,
  ...SNAPSHOTS_TOOLS,
  ...TASKS_TOOLS,
  ...API_TOOLS,
  ...BACKUPS_TOOLS,
  ...STORAGE_TOOLS,
  ...CLOUDINIT_TOOLS,
  ...NETWORK_TOOLS,
  ...FIREWALL_TOOLS,
  ...HA_TOOLS,
  ...REPLICATION_TOOLS,
  ...ACCESS_TOOLS,
  ...CEPH_TOOLS,
  ...AGENT_TOOLS,
  ...METRICS_TOOLS,
  ...SYSTEM_TOOLS,
  ...BETWEEN_TOOLS,
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

/** Names are listed in the schema up to this many; beyond it the model asks list_clusters. */
const MOST_NAMES = 10;

export function listingOf(tool: Tool, estate: EstateShape): ToolListing {
  const { name, title, description, annotations } = tool;
  return {
    name,
    title,
    description,
    inputSchema: inputSchemaOf(tool, estate),
    outputSchema: schemasOf(tool).output,
    annotations,
  };
}

function inputSchemaOf(tool: Tool, estate: EstateShape): ToolListing['inputSchema'] {
  const { input } = schemasOf(tool);
  if (!('cluster' in tool.input.shape) || estate.clusters.length < 2) return input;
  const description = clusterDescription(tool, estate);
  const cluster = { type: 'string', ...(description === undefined ? {} : { description }) };
  const { properties, required, ...rest } = input;
  const others = Array.isArray(required) ? required : [];
  const needed = isRequired(tool, estate) ? ['cluster', ...others] : others;
  return {
    ...rest,
    type: 'object',
    properties: { cluster, ...(isObject(properties) ? properties : {}) },
    ...(needed.length === 0 ? {} : { required: needed }),
  };
}

interface Schemas {
  /** Without `cluster`, the one that depends on the clusters there are. */
  input: ToolListing['inputSchema'];
  output: ToolListing['outputSchema'];
}

/** Made once for each tool: making them is most of the work of a list. */
const SCHEMAS = new WeakMap<Tool, Schemas>();

function schemasOf(tool: Tool): Schemas {
  const known = SCHEMAS.get(tool);
  if (known !== undefined) return known;
  const own = 'cluster' in tool.input.shape ? tool.input.omit({ cluster: true }) : tool.input;
  const made = { input: jsonSchema(own, 'input'), output: outputSchemaOf(tool) };
  SCHEMAS.set(tool, made);
  return made;
}

function isRequired({ withoutCluster }: Tool, { defaultCluster, isMapped }: EstateShape): boolean {
  if (withoutCluster === 'all' || withoutCluster === 'lookup') return false;
  return defaultCluster === undefined && !(withoutCluster === 'guest' && isMapped);
}

/** Stands where every client sees it; a hundred tools need not repeat it. */
function clusterDescription(tool: Tool, { clusters, defaultCluster }: EstateShape): string | undefined {
  if (!tool.isAlwaysOn || tool.withoutCluster === 'any') return undefined;
  const names = clusters.length <= MOST_NAMES ? clusters.join(', ') : 'see list_clusters';
  const otherwise = tool.withoutCluster === 'all' ? 'all' : defaultCluster;
  return otherwise === undefined ? names : `${names}; default ${otherwise}`;
}

/** What every answer may have; a reader of one answer sees them, so a hundred schemas need not repeat them. */
const COMMON_FIELDS = new Set([
  'cluster',
  'selected_by',
  'matched',
  'served_by',
  'failed',
  'note',
  'next_cursor',
  'as_of',
]);

/**
 * The fields of an answer with their types, and nothing of what is in those: whole schemas would be most of the
 * tokens of a list of tools. It is open, so that a client that holds answers against it takes `{error}`, too.
 */
function outputSchemaOf(tool: Tool): ToolListing['outputSchema'] {
  const { properties } = jsonSchema(tool.output, 'output');
  const fields = Object.entries(properties as Record<string, { type?: string }>)
    .filter(([name]) => !COMMON_FIELDS.has(name))
    .map(([name, { type }]) => [name, type === undefined ? {} : { type }]);
  return { type: 'object', properties: Object.fromEntries(fields) };
}

/** Bounds that say nothing to a model: each is checked all the same. */
const UNSAID: Readonly<Record<string, (value: unknown) => boolean>> = {
  minLength: (value) => value === 1,
  minItems: (value) => value === 1,
  minimum: (value) => value === 0 || value === 1 || value === Number.MIN_SAFE_INTEGER,
  maximum: (value) => Number(value) >= 500,
  additionalProperties: (value) => typeof value === 'object' && Object.keys(value ?? {}).length === 0,
  propertyNames: () => true,
};

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): { [key: string]: unknown; type: 'object' } {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema: made }) => {
      for (const [name, isUnsaid] of Object.entries(UNSAID)) {
        if (name in made && isUnsaid(made[name as keyof typeof made])) delete made[name as keyof typeof made];
      }
    },
  });
  return { ...rest, type: 'object' };
}
