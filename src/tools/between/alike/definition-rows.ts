import { z } from 'zod';
import { compact, count } from '../../results.ts';
import type { Applied } from './apply-definitions.ts';
import type { Compared, Difference } from './differences.ts';
import { type Part, problemFields, problemOf } from './one-by-one.ts';

type Results = ReadonlyMap<Difference, Applied>;

export const targetRow = z.object({
  cluster: z.string(),
  alike: z.int().optional(),
  missing: z.int().optional(),
  different: z.int().optional(),
  only_there: z.int().optional(),
  blocked: z.int().optional(),
  applied: z.int().optional(),
  not_applied: z.int().optional(),
  waits: z.literal(true).optional().describe('For the next call: each cluster has its own approval.'),
  ...problemFields,
});

type TargetRow = z.output<typeof targetRow>;

export function differenceRow(cluster: string, difference: Difference, results: Results) {
  const { kind, name, status, details, blocked } = difference;
  return {
    cluster,
    kind,
    name,
    status,
    ...(details.length === 0 ? {} : { details }),
    ...(blocked.length === 0 ? {} : { blocked }),
    ...results.get(difference),
  };
}

export function targetOf(part: Part<{ compared: Compared; wrote: boolean }>, results: Results): TargetRow {
  const cluster = part.cluster.name;
  if ('waits' in part) return { cluster, waits: true };
  if ('error' in part) return { cluster, ...problemOf(part.error) };
  const { alike, differences } = part.answer.compared;
  const counted = (fits: (one: Difference) => boolean): number => differences.filter(fits).length;
  const ended = differences.flatMap((one) => results.get(one)?.result ?? []);
  const applied = ended.filter((result) => result === 'applied').length;
  return {
    cluster,
    alike,
    missing: counted(({ status }) => status === 'missing'),
    different: counted(({ status }) => status === 'different'),
    only_there: counted(({ status }) => status === 'only_there'),
    ...compact({ blocked: counted(({ blocked }) => blocked.length > 0) || undefined }),
    ...(ended.length === 0
      ? {}
      : { applied, ...compact({ not_applied: ended.length - applied || undefined }) }),
  };
}

/** What a target differs in, and what was done about it, as a part of a sentence. */
export function inWords(target: TargetRow): string {
  const { alike, missing = 0, different = 0, only_there = 0, blocked, applied, not_applied, waits } = target;
  if (waits) return 'its turn comes with the next call';
  if (target.code !== undefined) return `${target.code}: ${target.message}`;
  const found = `${missing} missing, ${different} different, ${only_there} only there, ${alike} alike`;
  const stays = blocked === undefined ? '' : `; ${blocked} can't be made alike (\`blocked\`)`;
  if (applied === undefined) return `${found}${stays}; nothing was changed`;
  const rest = not_applied === undefined ? '' : `, ${not_applied} not (the same call does the rest)`;
  return `${found}; ${count(applied, 'difference')} made alike${rest}${stays}`;
}
