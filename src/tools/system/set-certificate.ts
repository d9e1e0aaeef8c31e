import { z } from 'zod';
import type { GatedCluster, GateRequest } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { nodeFor, nodeParam } from '../defaults.ts';
import { defineTool } from '../define.ts';
import { clusterParam, selectedFields, selectionOf, textParam } from '../params.ts';
import { refuser } from '../refusals.ts';
import { noted } from '../results.ts';
import {
  CERTIFICATE_CALLS,
  CUSTOM_FILE,
  certificateRow,
  readCertificates,
  requireServable,
  shownCertificate,
} from './certificate.ts';

const input = z.strictObject({
  cluster: clusterParam,
  node: nodeParam,
  certificate: textParam(100_000).optional().describe('PEM chain; absent with `remove`.'),
  key: textParam(20_000).optional().describe('PEM; absent: the one on the node.'),
  replace: z.boolean().default(false).describe('The custom or ACME one there is.'),
  remove: z.boolean().default(false).describe("Back to the cluster's own."),
  restart: z.boolean().default(true).describe('pveproxy, so that it is served.'),
});

type Args = z.output<typeof input>;

const CUSTOM = '/nodes/{node}/certificates/custom';

export const setCertificate = defineTool({
  name: 'set_certificate',
  title: 'Set or remove a custom certificate',
  description: 'Puts a TLS certificate on a node for its API and web interface, or removes it.',
  toolset: 'system',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  calls: [
    ['POST', CUSTOM, 'certificates', 'key', 'force', 'restart'],
    ['DELETE', CUSTOM, 'restart'],
    ['GET', '/cluster/resources'],
    ...CERTIFICATE_CALLS,
  ],
  input,
  output: z.object({
    ...selectedFields,
    node: z.string(),
    removed: z.boolean(),
    certificate: certificateRow.optional(),
    note: z.string().optional(),
  }),
  async run(args, context) {
    const chain = chainOf(args, context.now());
    const cluster = context.cluster(args.cluster).alone();
    const node = await nodeFor(cluster, args.node);
    const present = (await readCertificates(cluster, node)).some(({ filename }) => filename === CUSTOM_FILE);
    requireFit(cluster, args, node, present);
    const { data } = await cluster.request(requestOf(args, node, chain, present));
    // Proxmox answers with the certificate, PEM and all.
    const row = isObject(data) ? shownCertificate(node, data, context.now()) : undefined;
    return {
      ...selectionOf(cluster),
      node,
      removed: args.remove,
      ...(row === undefined ? {} : { certificate: row }),
      ...noted(
        args.restart ? undefined : 'It is served once pveproxy was restarted (manage_service).',
        'Who pinned the fingerprint of the one before has to pin the new one: this service, too, where it was set up so.',
      ),
    };
  },
  summary({ cluster, node, removed, certificate, note }) {
    const what = removed
      ? 'was removed'
      : `was put in place, valid until ${certificate?.expires_at ?? 'an unknown time'}`;
    return `The custom certificate of ${quoted(node)} of ${cluster} ${what}. ${note ?? ''}`;
  },
});

/** @throws CallError INVALID_ARGUMENTS */
function chainOf({ certificate, key, remove }: Args, now: number): string | undefined {
  if ((certificate === undefined) !== remove || (remove && key !== undefined)) {
    throw refuser('')(
      'INVALID_ARGUMENTS',
      'Pass either `certificate` or `remove: true`.',
      '`key` belongs to a certificate.',
    );
  }
  if (certificate !== undefined) requireServable(certificate, key, now);
  return certificate;
}

function requireFit(cluster: GatedCluster, { remove, replace }: Args, node: string, present: boolean): void {
  const refuse = refuser(cluster.name);
  if (remove && !present) {
    throw refuse(
      'NOT_FOUND',
      `${quoted(node)} has no custom certificate.`,
      'list_certificates shows those it has.',
    );
  }
  if (!remove && present && !replace) {
    throw refuse(
      'CONFLICT',
      `${quoted(node)} has a custom or ACME certificate.`,
      'Pass `replace: true` to overwrite it.',
    );
  }
}

function requestOf(
  { key, restart }: Args,
  node: string,
  chain: string | undefined,
  present: boolean,
): GateRequest {
  const path = apiPath`/nodes/${node}/certificates/custom`;
  if (chain === undefined) return { method: 'DELETE', path, data: { restart } };
  return { method: 'POST', path, data: { certificates: chain, key, restart, force: present || undefined } };
}
