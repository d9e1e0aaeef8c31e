import { z } from 'zod';
import { plainJob } from './job.ts';

/** What a run remembers of a failback: `jobs` are done where the guests are. No secrets. */
export const failbackInput = z.object({
  from: z.string(),
  to: z.string(),
  /** Ids of the storage that both see. */
  storages: z.object({ away: z.string(), home: z.string() }),
  jobs: z.array(plainJob),
  /** Where each goes, in the same order. */
  wishes: z.array(
    z.object({
      vmid: z.int(),
      node: z.string(),
      storage: z.string().optional(),
      bridges: z.record(z.string(), z.string()),
      start: z.boolean(),
      /** What is at home of it: another guest of its name must never run beside it. */
      original: z
        .object({ vmid: z.int(), name: z.string(), node: z.string(), type: z.enum(['qemu', 'lxc']) })
        .optional(),
      replace: z.boolean(),
    }),
  ),
  leftOut: z.array(z.object({ vmid: z.int(), name: z.string().optional(), why: z.string() })),
});

export type FailbackInput = z.output<typeof failbackInput>;
export type HomeWish = FailbackInput['wishes'][number];
