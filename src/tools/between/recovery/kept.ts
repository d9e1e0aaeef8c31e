import { z } from 'zod';
import type { ToolContext } from '../../define.ts';

const HOUR_MS = 3_600_000;

const keptGuest = z.object({
  vmid: z.int(),
  name: z.string().optional(),
  type: z.enum(['qemu', 'lxc']),
  node: z.string().optional(),
  pool: z.string().optional(),
  tags: z.array(z.string()),
  isHa: z.boolean().optional(),
  /** Whether it ran when the cluster was last seen at work; absent where nobody saw it. */
  ran: z.boolean().optional(),
});

/** A guest of the cluster that fails, as far as the cluster itself told of it. */
export type KnownGuest = z.output<typeof keptGuest>;

const keptStorage = z.object({ source: z.string(), target: z.string(), backend: z.string() });

/** A storage that held backups of both clusters, and its id on the target. */
export type KnownStorage = z.output<typeof keptStorage>;

const kept = z.object({
  asOf: z.number(),
  guests: z.array(keptGuest),
  storages: z.array(keptStorage),
});

/** What a plan that was made while the cluster answered remembers for the day on which it does not. */
export type Kept = z.output<typeof kept>;

/** What the caller's last plan for these two clusters remembers. */
export function keptPlan(context: ToolContext, from: string, to: string): Kept | undefined {
  return kept.safeParse(context.runs().last(keyOf(from, to))?.input).data;
}

/** Remembers it; what says the same as before is written anew once an hour. */
export async function keepPlan(context: ToolContext, from: string, to: string, now: Kept): Promise<void> {
  const before = keptPlan(context, from, to);
  const isSame = before !== undefined && contentOf(before) === contentOf(now);
  if (isSame && now.asOf - before.asOf < HOUR_MS) return;
  const run = await context.runs().begin(keyOf(from, to), now);
  await run.close('done');
}

function keyOf(from: string, to: string): string {
  return `failover plan ${from} ${to}`;
}

function contentOf({ guests, storages }: Kept): string {
  return JSON.stringify([guests, storages]);
}
