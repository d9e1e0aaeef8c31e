import type { GatedCluster } from '../../access/gate.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { CallError } from '../../proxmox/errors.ts';
import { inQuotes, quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { textParam } from '../params.ts';
import { rowsOf } from '../results.ts';

/** Asked with `content=vztmpl`. */
export const TEMPLATE_CALL = ['GET', '/nodes/{node}/storage/{storage}/content', 'content'] as const;

export const templateParam = textParam(255).refine(
  (text) => /^[A-Za-z][\w.-]*:[^\s,=]+$/.test(text),
  'is no volume such as local:vztmpl/NAME.tar.zst; list_storage_content (content=vztmpl) shows them, download_appliance fetches one',
);

/**
 * Refuses a template that the node does not have: Proxmox would say it only in the log of the task.
 *
 * @throws CallError NOT_FOUND with those that are there
 */
export async function requireTemplate(cluster: GatedCluster, node: string, template: string): Promise<void> {
  const colon = template.indexOf(':');
  const storage = template.slice(0, colon);
  if (!template.startsWith('vztmpl/', colon + 1)) return;
  const path = apiPath`/nodes/${node}/storage/${storage}/content`;
  const listed = await cluster
    .request({ method: 'GET', path, data: { content: 'vztmpl' } })
    // What can't be listed is for Proxmox itself to judge.
    .catch(() => undefined);
  if (listed === undefined) return;
  const present = rowsOf(listed.data).map(({ volid }) => String(volid));
  if (present.includes(template)) return;
  const message = `${quoted(node)} of ${cluster.name} has no template ${inQuotes(template, 200)}.`;
  const others = present.length === 0 ? '' : `It has: ${someOf(present.map(quoted), 10)}. `;
  throw new CallError('NOT_FOUND', message, {
    cluster: cluster.name,
    hint: `${others}download_appliance with node=${node} fetches one. Nothing was sent.`,
  });
}
