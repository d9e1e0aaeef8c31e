import { z } from 'zod';

/** What a cluster may be called: it stands in URLs (`/mcp/{cluster}`) and in variable names. */
export const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
export const CLUSTER_NAME_RULE =
  'must begin with a letter or digit, then letters, digits, ".", "_", "-"; at most 63';

const text = z.string().min(1, { error: 'must not be empty' });

/** Of a variable; with dots and dashes only where a cluster's name brings them, so that no secret is taken for one. */
export const VARIABLE_NAME = /^(?:[A-Za-z_][A-Za-z0-9_]*|PROXMOX_CLUSTER_[A-Za-z0-9._-]+)$/;

const secretSource = z.union(
  [
    text,
    z.strictObject({
      env: text.regex(VARIABLE_NAME, { error: 'must be the name of a variable' }),
    }),
    z.strictObject({ file: text }),
    z.strictObject({ sealed: text }),
  ],
  { error: 'must be a text, {"env":"NAME"}, {"file":"PATH"} or {"sealed":"v1.…"}' },
);
export type SecretSource = z.infer<typeof secretSource>;

const endpoint = z.union([text, z.strictObject({ url: text, fingerprint: text.optional() })], {
  error: 'must be "host:port" or {"url":"host:port","fingerprint":"…"}',
});

/** What of it is a range is found where it is read. */
const vmidRange = z.union([z.int(), text], { error: 'must be a VMID, or a text such as "100-199,205"' });

/** What of it is a price is found where it is read. */
const prices = z.record(z.string(), z.unknown(), {
  error: 'must be an object such as {"currency":"EUR","vcpu_hour":0.01}',
});

const clusterEntry = z.strictObject({
  url: text,
  endpoints: z.array(endpoint).optional(),
  user: text.optional(),
  token_id: text.optional(),
  token_secret: secretSource.optional(),
  password: secretSource.optional(),
  verify_ssl: z.boolean().optional(),
  fingerprint: text.optional(),
  ca_file: text.optional(),
  default_node: text.optional(),
  default_storage: text.optional(),
  default_bridge: text.optional(),
  region: text.optional(),
  tier: text.optional(),
  read_only: z.boolean().optional(),
  validate: z.boolean().optional(),
  patterns: z.union([text, z.array(text)], { error: 'must be a text or a list of texts' }).optional(),
  vmids: z.union([vmidRange, z.array(vmidRange)], { error: 'must be VMIDs or ranges' }).optional(),
  fallback: text.optional(),
  prices: prices.optional(),
});
export type ClusterEntry = z.infer<typeof clusterEntry>;

export const clustersFile = z.strictObject({
  clusters: z.record(z.string(), clusterEntry),
  default_cluster: text.optional(),
  patterns: z.record(z.string(), text).optional(),
});

export const CLUSTER_KEYS = Object.keys(clusterEntry.shape);
export const FILE_KEYS = Object.keys(clustersFile.shape);
