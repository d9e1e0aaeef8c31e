import { z } from 'zod';

/** The `cluster` argument. The registry leaves it out of the schema where there is but one cluster. */
export const clusterParam = z
  .string()
  .min(1)
  .optional()
  .describe('Name of the cluster, as list_clusters gives it.');

export const fieldsParam = z
  .array(z.string().min(1))
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
  selected_by: z.enum(['explicit', 'single', 'default']),
};
