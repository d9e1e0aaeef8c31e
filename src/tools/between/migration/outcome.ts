import { z } from 'zod';
import { taskField } from '../../task.ts';
import { findingRows } from '../finding.ts';

const names = z.record(z.string(), z.string()).optional();

/** What every action answers beside the guest. */
export const outcomeFields = {
  status: z
    .enum(['ready', 'blocked', 'running', 'moved', 'unverified', 'cancelled', 'left_over', 'deleted'])
    .describe('unverified: it arrived, and a check failed. left_over: something has to be cleaned up.'),
  target: z.object({ cluster: z.string(), node: z.string(), vmid: z.int() }),
  storage_map: names,
  bridge_map: names,
  findings: findingRows.optional(),
  plan: z.array(z.string()).optional(),
  checks: z.array(z.object({ check: z.string(), ok: z.boolean().optional(), found: z.string() })).optional(),
  task: taskField,
  target_task: z.object({ upid: z.string(), status: z.string() }).optional(),
  next: z.string().optional(),
};

export type Outcome = z.output<z.ZodObject<typeof outcomeFields>>;
