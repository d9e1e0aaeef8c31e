import { z } from 'zod';
import { isTrue, type Json, number } from '../../catalogue/json.ts';
import { compact, textOf } from '../results.ts';
import { type HaState, serviceOf, vmidOf } from './ha.ts';

export const resourceRow = z.object({
  sid: z.string(),
  vmid: z.int(),
  name: z.string().optional(),
  node: z.string().optional(),
  state: z.string().describe('What it is in; error and fence need a person.'),
  wanted: z.string(),
  group: z.string().optional(),
  rules: z.array(z.string()).optional(),
  max_restart: z.int().optional(),
  max_relocate: z.int().optional(),
  failback: z.boolean().optional(),
  comment: z.string().optional(),
});

export type ResourceRow = z.output<typeof resourceRow>;

/** @param names of guests, by VMID */
export function resourceRowOf(
  row: Json,
  ha: Pick<HaState, 'status'>,
  names: ReadonlyMap<number, string | undefined>,
): ResourceRow {
  const sid = String(row.sid);
  const service = serviceOf(ha, sid);
  const vmid = vmidOf(sid);
  return {
    sid,
    vmid,
    state: textOf(service?.state) ?? textOf(service?.crm_state) ?? 'queued',
    wanted: textOf(row.state) ?? textOf(service?.request_state) ?? 'started',
    ...compact({
      name: names.get(vmid),
      node: textOf(service?.node),
      group: textOf(row.group),
      max_restart: number(row.max_restart),
      max_relocate: number(row.max_relocate),
      failback: row.failback === undefined ? undefined : isTrue(row.failback),
      comment: textOf(row.comment),
    }),
  };
}
