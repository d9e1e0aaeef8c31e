import { z } from 'zod';
import type { Alert } from '../../clusters/alerts/alert.ts';
import { defineTool, READS } from '../define.ts';
import { someOf } from '../fleet.ts';
import { checkCursor, listParams, type Order, pageOf, pagingFields, showing } from '../paging.ts';
import { clusterParam } from '../params.ts';
import { compact, count, isoTime, noted } from '../results.ts';

const severity = z.enum(['warning', 'critical']);

const alertRow = z
  .object({
    cluster: z.string(),
    id: z.string(),
    kind: z.string(),
    severity,
    subject: z.string(),
    message: z.string(),
    since: z.string(),
    last_seen: z.string(),
  })
  .partial();

const COLUMNS = Object.keys(alertRow.shape);

const NEWEST_FIRST: Order<Alert> = {
  value: ({ since }) => since,
  id: ({ id }) => id,
  descending: true,
};

export const listAlerts = defineTool({
  name: 'list_alerts',
  title: 'List alerts',
  description:
    'Lists what this server found wrong by watching the clusters, and what to do; asks no cluster.',
  toolset: 'metrics',
  annotations: { ...READS, openWorldHint: false },
  calls: [],
  withoutCluster: 'all',
  input: z.strictObject({
    cluster: clusterParam,
    severity: severity.optional(),
    ...listParams(50, 500),
  }),
  output: z.object({
    alerts: z.array(alertRow),
    total: z.int(),
    critical: z.int(),
    not_looked_at: z.array(z.string()).optional().describe('Clusters of which nothing is known yet.'),
    as_of: z.string(),
    ...pagingFields,
  }),
  async run(args, context) {
    checkCursor(args);
    // Throws for who sees none.
    context.clusters();
    const named = args.cluster === undefined ? undefined : context.cluster(args.cluster).name;
    const known = context.alerts();
    const alerts = known
      .list()
      .filter(({ cluster }) => named === undefined || cluster === named)
      .filter(({ severity }) => args.severity === undefined || severity === args.severity);
    const unknown = known.notLookedAt().filter((cluster) => named === undefined || cluster === named);
    const { rows, next_cursor, note } = pageOf(
      [...Map.groupBy(alerts, ({ cluster }) => cluster ?? '')].map(([cluster, own]) => ({
        cluster,
        rows: own,
      })),
      NEWEST_FIRST,
      { args, isAll: true, columns: COLUMNS, beside: {} },
      rowOf,
    );
    return {
      alerts: rows.map(withoutEmptyCluster),
      total: alerts.length,
      critical: alerts.filter(({ severity }) => severity === 'critical').length,
      ...(unknown.length === 0 ? {} : { not_looked_at: unknown }),
      as_of: isoTime(context.now()),
      ...(next_cursor === undefined ? {} : { next_cursor }),
      ...noted(note),
    };
  },
  summary(answer) {
    const { alerts, total, critical, not_looked_at: unknown, note } = answer;
    const unseen = unknown === undefined ? '' : ` Not looked at yet: ${someOf(unknown)}.`;
    return `${count(total, 'alert')}${showing(alerts, answer)}; ${critical} critical.${unseen}${note ? ` ${note}` : ''}`;
  },
});

function rowOf({ id, kind, severity, subject, message, since, lastSeen }: Alert) {
  return compact({
    id,
    kind,
    severity,
    subject,
    message,
    since: isoTime(since),
    last_seen: isoTime(lastSeen),
  });
}

/** An alert about the service itself is about no cluster. */
function withoutEmptyCluster<Row extends { cluster?: unknown }>(row: Row): Row {
  if (row.cluster !== '') return row;
  const { cluster: _none, ...rest } = row;
  return rest as Row;
}
