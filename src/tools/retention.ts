import { isObject } from '../catalogue/json.ts';
import { textParam } from './params.ts';

export const PERIODS = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

export type Period = (typeof PERIODS)[number];

/** How many backups stay for each period; `all` keeps every one. */
export type Retention = Partial<Record<Period, number>> & { all?: true };

/**
 * Reads a rule as people and Proxmox write it: `keep-last=3,keep-daily=7`, or without `keep-`.
 *
 * @returns undefined for what is none, or says at once that all stay and that some do
 */
export function parseRetention(text: string): Retention | undefined {
  const rule: Retention = {};
  for (const part of text.split(',')) {
    const [, name, figure = ''] = /^\s*(?:keep-)?([a-z]+)=(\d{1,5})\s*$/.exec(part) ?? [];
    const period = PERIODS.find((known) => known === name);
    if (name === 'all') {
      if (figure !== '1') return undefined;
      rule.all = true;
    } else if (period === undefined || rule[period] !== undefined) return undefined;
    else rule[period] = Number(figure);
  }
  const counts = PERIODS.filter((period) => (rule[period] ?? 0) > 0);
  // With nothing but zeros Proxmox keeps all, which is the contrary of what it reads like.
  if (rule.all ? counts.length > 0 : counts.length === 0) return undefined;
  return rule;
}

/** As Proxmox writes it. */
export function writeRetention(rule: Retention): string {
  if (rule.all) return 'keep-all=1';
  return PERIODS.filter((period) => (rule[period] ?? 0) > 0)
    .map((period) => `keep-${period}=${rule[period]}`)
    .join(',');
}

export const keepParam = textParam(200)
  .refine(
    (text) => parseRetention(text) !== undefined,
    'is no rule such as keep-last=3,keep-daily=7,keep-weekly=4,keep-monthly=6 or keep-all=1',
  )
  .transform((text) => writeRetention(parseRetention(text) ?? { all: true }));

/** The rule of a job or a storage, which Proxmox gives as a text or as an object. */
export function retentionText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (!isObject(value)) return undefined;
  const pairs = Object.entries(value).map(([key, item]) => `${key}=${item === true ? 1 : String(item)}`);
  return pairs.length === 0 ? undefined : pairs.join(',');
}
