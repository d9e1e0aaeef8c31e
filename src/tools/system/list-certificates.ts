import { z } from 'zod';
import { quoted } from '../../proxmox/text.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { clusterParam, selectedFields, selectionOf } from '../params.ts';
import { count } from '../results.ts';
import {
  CERTIFICATE_CALLS,
  type CertificateRow,
  certificateRow,
  readCertificates,
  shownCertificate,
} from './certificate.ts';
import { perNode, unreadNodes, withoutNodes } from './per-node.ts';

const SOON_DAYS = 30;
const MOST = 300;

export const listCertificates = defineTool({
  name: 'list_certificates',
  title: 'List certificates',
  description: 'Lists the TLS certificates of a node or all, the first to expire first.',
  toolset: 'system',
  annotations: READS,
  calls: [...CERTIFICATE_CALLS, ['GET', '/cluster/resources']],
  input: z.strictObject({ cluster: clusterParam, node: nodeParam }),
  output: z.object({
    ...selectedFields,
    certificates: z.array(certificateRow),
    total: z.int(),
    expiring: z.int().describe('In 30 days, or expired.'),
    unread: unreadNodes,
  }),
  async run({ cluster: named, node }, context) {
    const cluster = context.cluster(named);
    const { answers, ...rest } = await perNode(cluster, node, (one) => readCertificates(cluster, one));
    const rows = answers
      .flatMap(({ node: one, answer }) => answer.map((row) => shownCertificate(one, row, context.now())))
      .sort((a, b) => (a.days_left ?? Number.POSITIVE_INFINITY) - (b.days_left ?? Number.POSITIVE_INFINITY));
    return {
      ...selectionOf(cluster),
      certificates: rows.slice(0, MOST),
      total: rows.length,
      expiring: rows.filter(isExpiring).length,
      ...rest,
    };
  },
  summary({ cluster, certificates, total, expiring, unread }) {
    const which = certificates
      .filter(isExpiring)
      .map(
        ({ node = '', file = '', days_left = 0 }) =>
          `${quoted(file)} on ${quoted(node)} in ${days_left} days`,
      );
    const soon = expiring === 0 ? 'none expires within 30 days' : `${expiring} expire soon: ${someOf(which)}`;
    return `${cluster}: ${count(total, 'certificate')}; ${soon}.${withoutNodes(unread)}`;
  },
});

function isExpiring({ days_left }: CertificateRow): boolean {
  return days_left !== undefined && days_left <= SOON_DAYS;
}
