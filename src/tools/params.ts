import { z } from 'zod';
import type { GatedCluster } from '../access/gate.ts';
import type { SelectedBy } from '../clusters/cluster.ts';

const TEXT_MOST = 256;
/** Most texts are this one, and to make each of them anew is a hundredth of the start. */
const ANY_TEXT = boundedText(TEXT_MOST);

/**
 * A text argument. It is bounded because it is held against every row of an answer, and what is refused must cost
 * less than what is served.
 *
 * @param most characters
 * @param otherwise what is said of a value that is no text
 */
export function textParam(most = TEXT_MOST, otherwise?: string) {
  return most === TEXT_MOST && otherwise === undefined ? ANY_TEXT : boundedText(most, otherwise);
}

function boundedText(most: number, otherwise?: string) {
  return z
    .string(otherwise)
    .min(1)
    .refine((text) => text.length <= most, `is longer than ${most} characters`);
}

/** The `cluster` argument. The registry leaves it out of the schema where there is but one cluster. */
export const clusterParam = textParam()
  .optional()
  .describe('Name of the cluster, as list_clusters gives it.');

/** An argument that is off unless it is given; a default would stand in every schema, and tell nothing. */
export function switchParam() {
  return z
    .boolean()
    .optional()
    .transform((on) => on ?? false);
}

/** Names are matched as a whole, case aside. */
export const wildcardParam = textParam().optional().describe('Takes * and ?.');

/** Keeps only these fields of each row. */
export const fieldsParam = z
  .array(textParam())
  .min(1)
  .refine((fields) => fields.length <= 50, 'are more than 50')
  .optional();

/** `limit` for a list: a bound that keeps an answer readable. */
export function limitParam(fallback: number, most: number) {
  return z.int().min(1).max(most).default(fallback);
}

/**
 * A list of small objects, such as NICs. Each is checked against the whole shape, and listed as any object: the keys
 * stand in the description, as a schema of them would cost each tool a hundred tokens.
 *
 * @param description names the keys
 */
export function wordsParam<Shape extends z.ZodRawShape>(shape: Shape, description: string) {
  const any = z.record(z.string(), z.unknown());
  return listOf(any.transform(withoutNulls).pipe(z.strictObject(shape)), 32)
    .optional()
    .describe(description);
}

/** Bounds that are checked and not listed: they say nothing to a model, and cost each tool tokens. */
export function listOf<Item extends z.ZodType>(item: Item, most: number) {
  return z
    .array(item)
    .min(1)
    .refine((items) => items.length <= most, `has more than ${most} items`);
}

/** A whole number from 0 or 1 on. */
export function wholeParam(least: 0 | 1, most: number) {
  return z
    .int()
    .min(least)
    .refine((number) => number <= most, `is more than ${most}`);
}

/** A text of one form, which is not listed either. */
export function formParam(form: RegExp, otherwise: string, most = 64) {
  return textParam(most).refine((text) => form.test(text), otherwise);
}

/** Some clients send null for what they leave out. */
function withoutNulls(given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

/**
 * A moment, as RFC 3339 writes it. Its shape is checked, and no part of the schema: as a pattern it takes 200 tokens.
 *
 * @param description what the time is of, where its name does not say it
 */
export function timeParam(description = 'RFC 3339.') {
  const time = z.iso.datetime({ offset: true });
  return textParam(40)
    .refine((text) => time.safeParse(text).success, 'must be a time such as 2026-11-21T08:00:00Z')
    .describe(description);
}

export const SELECTED_BY = [
  'explicit',
  'single',
  'pattern',
  'vmid',
  'lookup',
  'default',
  'any',
] as const satisfies readonly SelectedBy[];

/** What every answer about one cluster begins with; `selectionOf` gives it. */
export const selectedFields = {
  cluster: z.string(),
  selected_by: z.enum(SELECTED_BY),
  matched: z.string().optional(),
  served_by: z.string().optional().describe('The fallback that answered.'),
};

/** Why a call that names no cluster went to this one, as a sentence behind another; empty where no rule says so. */
export function whySelected({ selectedBy, matched }: Pick<GatedCluster, 'selectedBy' | 'matched'>): string {
  if (selectedBy === 'default') return ' It was selected as the default cluster.';
  if (matched === undefined) return '';
  const rule = selectedBy === 'pattern' ? 'pattern' : 'VMID range';
  return ` It was selected by the ${rule} ${JSON.stringify(matched)}.`;
}

/** Which cluster an answer is about, and why. Call it once the cluster was asked: only then a fallback is known. */
export function selectionOf({ name, selectedBy, matched, servedBy }: GatedCluster) {
  return {
    cluster: name,
    selected_by: selectedBy,
    ...(matched === undefined ? {} : { matched }),
    ...(servedBy === undefined ? {} : { served_by: servedBy }),
  };
}
