import type { NamedTenant } from '../../../access/policy/policy.ts';
import type { Basis } from './bill.ts';
import { type Bill, basisOf, billsOf, topSavings, totalsOf } from './bills.ts';
import { type Grouping, isCountedTwice, linesOf } from './lines.ts';
import type { Reading } from './measure.ts';
import type { Period } from './period.ts';
import type { Rule } from './sizing.ts';

/** Of the savings of all, in a report that shows no single guests. */
const TOP = 10;

/** What a report is asked for. */
export interface Wanted {
  by: Grouping;
  sort: 'cost' | 'savings';
  basis: Basis;
  tenants: readonly NamedTenant[];
  period: Period;
  rule: Rule;
}

/** Makes the lines of each cluster, and what stands beside them. Asks nothing. */
export function reportOf(readings: readonly Reading[], { sort, basis, rule, ...wanted }: Wanted) {
  const { by, period } = wanted;
  const isPriced = readings.some(({ cluster }) => cluster.settings.prices !== undefined);
  const view = { ...wanted, isPriced };
  const ofClusters = readings.map((reading) => billsOf(reading, period, basis, rule));
  const all = ofClusters.flat();
  // Of single guests, in the order of savings, those alone that something could be saved on.
  const isListed = ({ finding }: Bill) => by !== 'guest' || sort === 'cost' || finding !== undefined;
  const { savings, savings_total } = topSavings(all, TOP);
  return {
    sources: readings.map(({ cluster }, index) => ({
      cluster: cluster.name,
      rows: linesOf((ofClusters[index] ?? []).filter(isListed), view),
    })),
    beside: {
      totals: totalsOf(all, period.hours),
      ...(by === 'guest' ? {} : { savings }),
      savings_total,
      rests_on: readings.map(basisOf),
    },
    isTwice: isCountedTwice(all, view),
  };
}
