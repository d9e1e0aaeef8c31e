import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { bound } from '../bounded.ts';
import { defineTool, type Fleet, READS, type ToolContext } from '../define.ts';
import {
  askFleet,
  type FleetAnswer,
  type FleetFailure,
  fleetFields,
  someOf,
  withoutFailed,
} from '../fleet.ts';
import { limitParam, switchParam, textParam } from '../params.ts';
import { count, rowsOf } from '../results.ts';
import { type ClusterRead, readCluster } from './compare-sources.ts';
import { ASPECTS, type Aspect, compareAspect } from './comparison.ts';
import { sharedBackings } from './storage-backing.ts';

/** A cluster is asked a dozen things, its nodes two more each. */
const DEADLINE_MS = 25_000;
/** With what stands beside the rows, about what clients take whole. */
const ROWS_CHARACTERS = 36_000;
const MOST_NOTES = 30;

const input = z.strictObject({
  clusters: z
    .array(textParam())
    .refine((names) => names.length >= 2 && names.length <= 10, 'must be 2 to 10')
    .optional(),
  aspects: z
    .array(z.enum(ASPECTS), `must be a list, such as ["storages"], of: ${ASPECTS.join(', ')}`)
    .min(1)
    .refine((aspects) => aspects.length <= ASPECTS.length, 'holds one twice')
    .optional(),
  details: switchParam().describe('Alike, too.'),
  limit: limitParam(100, 500),
  offset: z
    .int()
    .min(0)
    .optional()
    .transform((offset) => offset ?? 0),
});

export const compareClusters = defineTool({
  name: 'compare_clusters',
  title: 'Compare clusters',
  description:
    'Compares clusters: what differs, what only some have, and which storages are the same place, as for moving guests.',
  toolset: 'inventory',
  annotations: READS,
  calls: [
    ['GET', '/cluster/resources'],
    ['GET', '/access/permissions'],
    ['GET', '/nodes/{node}/version'],
    ['GET', '/storage'],
    ['GET', '/nodes/{node}/network', 'type'],
    ['GET', '/cluster/sdn/vnets'],
    ['GET', '/access/roles'],
    ['GET', '/cluster/backup'],
  ],
  withoutCluster: 'all',
  input,
  output: z.object({
    clusters: z.array(z.string()).describe('Those that were compared.'),
    aspects: z.array(
      z.object({
        aspect: z.enum(ASPECTS),
        clusters: z.int(),
        alike: z.int(),
        differ: z.int(),
        only_some: z.int(),
      }),
    ),
    rows: z.array(z.looseObject({})).describe('An item each, with its value in each cluster.'),
    total: z.int(),
    next_offset: z.int().optional(),
    same_storages: z
      .array(
        z.object({
          backing: z.string(),
          storages: z.record(z.string(), z.string()),
          meaning: z.string().optional(),
        }),
      )
      .optional(),
    findings: z.array(z.string()).optional().describe('What somebody should look at.'),
    unread: z.array(z.object({ cluster: z.string(), aspect: z.string(), problem: z.string() })).optional(),
    failed: fleetFields.failed,
  }),
  deadlineSeconds: () => 60,
  async run(args, context) {
    const fleet = chosen(args.clusters, context);
    const aspects = ASPECTS.filter((aspect) => args.aspects?.includes(aspect) ?? true);
    const { answers, failed } = await askFleet(
      fleet,
      context,
      (cluster, signal) => readCluster(cluster.alone(), aspects, signal),
      DEADLINE_MS,
    );
    refuseLonely(answers, failed);
    const compared = aspects.map((aspect) => compareAspect(aspect, itemsBy(aspect, answers)));
    const all = compared.flatMap(({ rows }) => rows).filter((row) => args.details || row.status !== 'alike');
    const { data, truncated } = bound(all, { offset: args.offset, limit: args.limit }, ROWS_CHARACTERS);
    const next = truncated?.next_offset;
    return {
      clusters: answers.map(({ cluster }) => cluster.name),
      aspects: compared.map(({ count: counted }) => counted),
      rows: rowsOf(data),
      total: all.length,
      ...(next === undefined ? {} : { next_offset: next }),
      ...besides(answers, aspects),
      ...(failed.length === 0 ? {} : { failed }),
    };
  },
  summary({ clusters, aspects, rows, total, next_offset, same_storages, findings, unread, failed }) {
    const differing = aspects.filter(({ differ, only_some }) => differ + only_some > 0);
    const where = differing
      .map(({ aspect, differ, only_some }) => `${aspect} ${differ + only_some}`)
      .join(', ');
    const same = same_storages ? ` ${count(same_storages.length, 'storage')} shared between them.` : '';
    const found = findings ? ` ${count(findings.length, 'finding')}.` : '';
    const more =
      next_offset === undefined
        ? ''
        : ` Showing ${rows.length} of ${total}; go on with offset ${next_offset}.`;
    return `${clusters.join(', ')}: ${where === '' ? 'no differences' : `differences in ${where}`}.${same}${found}${more}${notRead(unread)}${withoutFailed(failed)}`;
  },
});

/** That no difference was found in what could not be read says nothing. */
function notRead(unread: readonly { cluster: string; aspect: string }[] | undefined): string {
  if (unread === undefined) return '';
  const parts = new Set(unread.map(({ cluster, aspect }) => `${aspect} of ${cluster}`));
  return ` Not read, or not whole: ${someOf([...parts])}.`;
}

/** The clusters to compare, and no fallback in the place of any: it would be compared with itself. */
function chosen(names: readonly string[] | undefined, context: ToolContext): Fleet {
  const { clusters } = context.fleet(undefined);
  const known = clusters.map(({ name }) => name);
  if (known.length < 2) {
    throw new CallError(
      'INVALID_ARGUMENTS',
      `There is only ${known.join()} here, and nothing to compare it with.`,
      {
        hint: 'Use the URL of the service without a cluster in it, on a server with several clusters.',
      },
    );
  }
  if (names === undefined) return { clusters, isAll: true };
  // Names that are not known are refused in the words of every other tool.
  for (const name of names) if (!known.includes(name)) context.cluster(name);
  const wanted = clusters.filter(({ name }) => names.includes(name));
  if (wanted.length < 2) {
    throw new CallError('INVALID_ARGUMENTS', `\`clusters\` names ${names[0]} alone.`, {
      hint: `Name two or more different ones of: ${known.join(', ')}.`,
    });
  }
  return { clusters: wanted, isAll: true };
}

function refuseLonely(answers: readonly FleetAnswer<ClusterRead>[], failed: readonly FleetFailure[]): void {
  const [first, second] = answers;
  const [failure] = failed;
  if (first === undefined || second !== undefined || failure === undefined) return;
  const each = failed.map(({ cluster, code, message }) => `${cluster}: ${code}: ${message}`).join(' ');
  throw new CallError(
    'CLUSTER_UNREACHABLE',
    `Only ${first.cluster.name} answered, so there is nothing to compare. ${each}`,
    {
      hint: failure.hint,
    },
  );
}

function itemsBy(aspect: Aspect, answers: readonly FleetAnswer<ClusterRead>[]) {
  return new Map(
    answers.flatMap(({ cluster, answer }) => {
      const read = answer.aspects.get(aspect);
      return read === undefined ? [] : [[cluster.name, read.items] as const];
    }),
  );
}

/** What the rows do not tell: what is shared, what to look at, and what could not be read. */
function besides(answers: readonly FleetAnswer<ClusterRead>[], aspects: readonly Aspect[]) {
  const definitions = new Map(
    answers.flatMap(({ cluster, answer }) => {
      const found = answer.aspects.get('storages')?.definitions;
      return found === undefined ? [] : [[cluster.name, found] as const];
    }),
  );
  const same = sharedBackings(definitions);
  const findings = [
    ...answers.flatMap(({ answer }) => [...answer.aspects.values()].flatMap((read) => read.findings ?? [])),
    ...(aspects.includes('nodes') ? sameNodeNames(answers) : []),
  ];
  const unread = answers.flatMap(({ cluster, answer }) =>
    answer.unread.map(({ aspect, problem }) => ({ cluster: cluster.name, aspect, problem })),
  );
  return {
    ...(same.length === 0 ? {} : { same_storages: same.slice(0, MOST_NOTES) }),
    ...(findings.length === 0 ? {} : { findings: some(findings) }),
    ...(unread.length === 0 ? {} : { unread: unread.slice(0, 2 * MOST_NOTES) }),
  };
}

function some(findings: readonly string[]): string[] {
  const more = findings.length - MOST_NOTES;
  return more <= 0 ? [...findings] : [...findings.slice(0, MOST_NOTES), `And ${more} more.`];
}

/** Two nodes of one name are easily taken for each other. */
function sameNodeNames(answers: readonly FleetAnswer<ClusterRead>[]): string[] {
  const all = answers.flatMap(({ cluster, answer }) =>
    answer.nodes.map((node) => ({ node, cluster: cluster.name })),
  );
  return [...Map.groupBy(all, ({ node }) => node)]
    .filter(([, seen]) => seen.length > 1)
    .map(([node, seen]) => {
      const clusters = seen.map(({ cluster }) => cluster).join(' and ');
      return `A node is called ${node} in ${clusters}: always name the cluster with it.`;
    });
}
