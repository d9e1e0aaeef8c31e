import { z } from 'zod';

/**
 * A text argument. It is bounded because it is held against every row of an answer, and what is refused must cost
 * less than what is served.
 */
export function textParam(most = 256) {
  return z
    .string()
    .min(1)
    .refine((text) => text.length <= most, `is longer than ${most} characters`);
}

/** The `cluster` argument. The registry leaves it out of the schema where there is but one cluster. */
export const clusterParam = textParam()
  .optional()
  .describe('Name of the cluster, as list_clusters gives it.');

export const fieldsParam = z
  .array(textParam())
  .min(1)
  .max(50)
  .optional()
  .describe('Keep only these fields of each row.');

/** `limit` for a list: a bound that keeps an answer readable. */
export function limitParam(fallback: number, most: number) {
  return z
    .int()
    .min(1)
    .max(most)
    .default(fallback)
    .describe(`At most this many rows (${fallback} by default).`);
}

/** What every answer about one cluster begins with. */
export const selectedFields = {
  cluster: z.string(),
  selected_by: z.enum(['explicit', 'single', 'default', 'any']),
};
