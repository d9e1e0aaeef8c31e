import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { refuser } from '../refusals.ts';
import { textOf } from '../results.ts';
import { runTask, TASK_CALLS, taskDeadline, taskField, taskSentence, waitParam } from '../task.ts';

const CERTIFICATE = '/nodes/{node}/certificates/acme/certificate';
const METHODS = { order: 'POST', renew: 'PUT', revoke: 'DELETE' } as const;
const DONE = { order: 'ordered', renew: 'renewed', revoke: 'revoked' } as const;

export const orderCertificate = defineTool({
  name: 'order_certificate',
  title: 'Order an ACME certificate',
  description:
    "Orders, renews or revokes a node's certificate at its ACME account. Its domains are the options acme and acmedomain0 of the node (set_options).",
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  calls: [
    ['POST', CERTIFICATE, 'force'],
    ['PUT', CERTIFICATE, 'force'],
    ['DELETE', CERTIFICATE],
    ['GET', '/nodes/{node}/config'],
    ['GET', '/cluster/acme/account'],
    ['GET', '/cluster/resources'],
    ...TASK_CALLS,
  ],
  input: z.strictObject({
    cluster: clusterParam,
    node: nodeParam,
    action: z.enum(['order', 'renew', 'revoke']).default('order'),
    force: z.boolean().default(false).describe('Overwrite a certificate; renew one that is valid for long.'),
    wait_seconds: waitParam,
  }),
  output: z.object({
    ...selectedFields,
    node: z.string(),
    action: z.enum(['order', 'renew', 'revoke']),
    domains: z.array(z.string()),
    task: taskField,
  }),
  deadlineSeconds: ({ wait_seconds }) => taskDeadline(wait_seconds),
  async run({ cluster: named, node: asked, action, force, wait_seconds }, context) {
    const cluster = context.cluster(named).alone();
    const node = await nodeFor(cluster, asked);
    const domains = await requireReady(cluster, node);
    const data = { force: action !== 'revoke' && force ? true : undefined };
    const path = apiPath`/nodes/${node}/certificates/acme/certificate`;
    const outcome = await runTask(cluster, { method: METHODS[action], path, data }, wait_seconds, context);
    return { ...selectionOf(cluster), node, action, domains, ...outcome };
  },
  summary({ cluster, node, action, domains, task }) {
    const what = `The certificate of ${quoted(node)} of ${cluster} for ${domains.map(quoted).join(', ')}`;
    return taskSentence(what, DONE[action], task);
  },
});

/** The domains of the node's certificate. @throws CallError CONFLICT for what has to be set up first */
async function requireReady(cluster: GatedCluster, node: string): Promise<string[]> {
  const [config, accounts] = await Promise.all([
    cluster.request({ method: 'GET', path: apiPath`/nodes/${node}/config` }),
    cluster.request({ method: 'GET', path: apiPath`/cluster/acme/account` }),
  ]);
  const refuse = refuser(cluster.name);
  const settings = isObject(config.data) ? config.data : {};
  const domains = domainsOf(settings);
  if (domains.length === 0) {
    throw refuse(
      'CONFLICT',
      `${quoted(node)} has no domain for ACME.`,
      'Give it some: set_options with node and the option acme, as account=default,domains=pve.example.com, or acmedomain0.',
    );
  }
  const account = /(?:^|,)account=([^,]+)/.exec(textOf(settings.acme) ?? '')?.[1] ?? 'default';
  const known = Array.isArray(accounts.data)
    ? accounts.data.map((row) => (isObject(row) ? row.name : row))
    : [];
  if (!known.includes(account)) {
    throw refuse(
      'CONFLICT',
      `${cluster.name} has no ACME account ${quoted(account)}.`,
      'Register it: save_setting with kind acme_account.',
    );
  }
  return domains;
}

function domainsOf(settings: Json): string[] {
  const listed = /(?:^|,)domains=([^,]+)/.exec(textOf(settings.acme) ?? '')?.[1]?.split(';') ?? [];
  const single = Object.entries(settings).flatMap(([name, value]) =>
    /^acmedomain\d$/.test(name) ? (/^(?:domain=)?([^,]+)/.exec(String(value))?.[1] ?? []) : [],
  );
  return [...listed, ...single].filter(Boolean);
}
