import { z } from 'zod';
import type { GatedCluster } from '../../access/gate.ts';
import { isObject } from '../../catalogue/json.ts';
import { apiPath } from '../../proxmox/api-path.ts';
import { toCallError } from '../../proxmox/errors.ts';
import { nodeParam } from '../defaults.ts';
import { defineTool, READS } from '../define.ts';
import { remarks } from '../fleet.ts';
import { kindFields, kindPage, kindParams } from '../kind-list.ts';
import { checkCursor, listParams, showing } from '../paging.ts';
import { compact, rowsOf } from '../results.ts';
import { KINDS, LIST_CALLS, SETTING_KINDS, type SettingKind } from './setting-kinds.ts';
import { itemPath, readSettings, requireSetting, type Setting, shownSetting } from './settings.ts';

const READ_KINDS = [...SETTING_KINDS, 'notification_target', 'acme_directory'] as const;
type ReadKind = (typeof READ_KINDS)[number];

type Row = Record<string, unknown>;

/** The lists of these tell the least. */
const DETAILED: ReadonlySet<ReadKind> = new Set(['acme_account', 'metric_server']);

export const listSettings = defineTool({
  name: 'list_settings',
  title: 'List cluster settings',
  description:
    'Lists what is set up for the cluster: ACME accounts and plugins, notification endpoints, targets and matchers, metric servers, PCI, USB and directory mappings. Secrets show as set.',
  toolset: 'system',
  annotations: READS,
  calls: [
    ...LIST_CALLS.map(([method, path]) =>
      path.startsWith('/cluster/mapping')
        ? ([method, path, 'check-node'] as const)
        : ([method, path] as const),
    ),
    ['GET', '/cluster/acme/account/{name}'],
    ['GET', '/cluster/metrics/server/{id}'],
    ['GET', '/cluster/notifications/targets'],
    ['GET', '/cluster/acme/directories'],
  ],
  input: z.strictObject({
    ...kindParams(READ_KINDS),
    check_node: nodeParam.describe('Checks mappings there.'),
    ...listParams(50, 500),
  }),
  output: z.object(kindFields(READ_KINDS)),
  async run(args, context) {
    checkCursor(args);
    const cluster = context.cluster(args.cluster);
    const { rows, problem } = await rowsFor(cluster, args);
    return kindPage(cluster, args, rows, problem);
  },
  summary(answer) {
    const { cluster, kind, rows, total } = answer;
    return `${cluster}: ${total} of the kind ${kind}${showing(rows, answer)}.${remarks(answer)}`;
  },
});

interface Wanted {
  kind: ReadKind;
  name?: string | undefined;
  check_node?: string | undefined;
}

interface Found {
  rows: Row[];
  /** What could not be read of it. */
  problem?: string;
}

async function rowsFor(cluster: GatedCluster, { kind, name, check_node: node }: Wanted): Promise<Found> {
  if (kind === 'notification_target' || kind === 'acme_directory') {
    const path =
      kind === 'acme_directory'
        ? apiPath`/cluster/acme/directories`
        : apiPath`/cluster/notifications/targets`;
    const rows = rowsOf((await cluster.request({ method: 'GET', path })).data);
    return { rows: rows.filter((row) => name === undefined || row.name === name).map((row) => ({ ...row })) };
  }
  const data = kind.endsWith('_mapping') && node !== undefined ? { 'check-node': node } : undefined;
  const settings = await readSettings(cluster, kind, data);
  if (name === undefined) return { rows: settings.map((setting) => shownSetting(kind, setting)) };
  const found = requireSetting(cluster, kind, settings, name);
  return DETAILED.has(kind) ? detailed(cluster, kind, found) : { rows: [shownSetting(kind, found)] };
}

/** What its list tells is shown where the rest may not be read. */
async function detailed(cluster: GatedCluster, kind: SettingKind, setting: Setting): Promise<Found> {
  const { name, options } = setting;
  try {
    const { data } = await cluster.request({ method: 'GET', path: itemPath(kind, name) });
    const { digest: _digest, [KINDS[kind].key]: _name, account, ...rest } = isObject(data) ? data : {};
    // Of the account at the CA: its keys are public ones, and long.
    const { status, contact } = isObject(account) ? account : {};
    const known = isObject(account) ? compact({ status, contact }) : {};
    return { rows: [shownSetting(kind, { name, options: { ...options, ...rest, ...known } })] };
  } catch (thrown) {
    const { code, message } = toCallError(thrown);
    return {
      rows: [shownSetting(kind, setting)],
      problem: `Its details could not be read: ${code}: ${message}`,
    };
  }
}
