import { isOfTenant } from '../../../access/policy/matching.ts';
import type { NamedTenant } from '../../../access/policy/policy.ts';
import { compact } from '../../results.ts';
import type { Figures } from './bill.ts';
import { type Bill, savingsOf, totalOf } from './bills.ts';
import type { Period } from './period.ts';

export const GROUPINGS = ['cluster', 'tenant', 'pool', 'tag', 'guest'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** What guests without a pool, a tag or a tenant stand under; no name of Proxmox has parentheses. */
const NONE = '(none)';

/** A line of the report. */
export interface Line {
  id: string;
  shown: Record<string, unknown>;
  /** What it is sorted by. */
  cost: number | null;
  savings: number | null;
}

/** How guests are put together. */
export interface View {
  by: Grouping;
  /** Of the policy, for `by: tenant`. */
  tenants: readonly NamedTenant[];
  period: Period;
  /** Whether some cluster has prices: then those without come last. Else hours make the order. */
  isPriced: boolean;
}

/** The lines of one cluster, in any order. */
export function linesOf(bills: readonly Bill[], { by, tenants, period, isPriced }: View): Line[] {
  const order = (sums: Figures, savings: number | null) => {
    const hasOrder = sums.cost !== undefined || !isPriced;
    return { cost: hasOrder ? (sums.cost ?? sums.vcpu_hours) : null, savings: hasOrder ? savings : null };
  };
  if (by === 'guest') {
    return bills.map((bill) => ({ ...guestLine(bill), ...order(bill.figures, savingsOf(bill.finding)) }));
  }
  const groups = new Map<string, Bill[]>();
  for (const bill of bills) {
    for (const key of keysOf(bill, by, tenants)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [bill]);
      else group.push(bill);
    }
  }
  return [...groups].map(([key, group]) => {
    const sums = totalOf(group, period.hours);
    const tenant = by === 'tenant' ? tenants.find((one) => bindingOf(one) === key) : undefined;
    const name = { [by]: tenant?.name ?? key, ...(tenant && { pools: tenant.pools, tags: tenant.tags }) };
    return { id: key, shown: { ...name, ...sums }, ...order(sums, sums.could_save ?? null) };
  });
}

/** Whether some guest stands in several lines. */
export function isCountedTwice(bills: readonly Bill[], { by, tenants }: View): boolean {
  return bills.some((bill) => keysOf(bill, by, tenants).length > 1);
}

function keysOf({ cluster, guest }: Bill, by: Grouping, tenants: readonly NamedTenant[]): string[] {
  const several = (keys: readonly string[]): string[] => (keys.length === 0 ? [NONE] : [...new Set(keys)]);
  switch (by) {
    case 'cluster':
      return [cluster];
    case 'pool':
      return [guest.pool ?? NONE];
    case 'tag':
      return several(guest.tags);
    case 'tenant':
      return several(tenants.filter((tenant) => isOfTenant(guest, tenant)).map(bindingOf));
    case 'guest':
      return [guest.id];
  }
}

/** Two tenants may have one name. */
function bindingOf({ pools, tags }: NamedTenant): string {
  return JSON.stringify([pools, tags]);
}

function guestLine({ guest, figures, finding, isMeasured, currency }: Bill) {
  const { id, vmid, name, type, node, template } = guest;
  const about = { vmid, ...compact({ name, template: template || undefined }), type, node };
  const from = isMeasured ? {} : { from: 'inventory' };
  return { id, shown: { ...about, ...figures, ...compact({ currency }), ...from, ...finding } };
}
