import type { ClusterPrices } from './config.ts';
import { didYouMean } from './nearest.ts';

/** What has a price, by its key in clusters.json. */
const PARTS = {
  vcpu_hour: 'vcpuHour',
  memory_gib_hour: 'memoryGibHour',
  storage_gib_hour: 'storageGibHour',
} as const satisfies Record<string, keyof ClusterPrices>;

type Part = keyof typeof PARTS;

const PART_KEYS = Object.keys(PARTS) as Part[];
const KEYS = ['currency', ...PART_KEYS];
/** As ISO 4217 writes them. Only the form is checked: what money there is changes. */
const CURRENCY = /^[A-Za-z]{3}$/;
/** Sums of prices stay numbers. */
const MOST = 1_000_000;

/**
 * Reads what an operator charges: `{"currency":"EUR","vcpu_hour":0.01}`.
 *
 * @throws Error that says everything that is wrong with it; no value is repeated but names
 */
export function parsePrices(value: Readonly<Record<string, unknown>>): ClusterPrices {
  const parts = PART_KEYS.filter((key) => value[key] !== undefined);
  const problems = [
    ...Object.keys(value)
      .filter((key) => !KEYS.includes(key))
      .map(
        (key) => `holds ${JSON.stringify(key.slice(0, 40))}, which is no key of it.${didYouMean(key, KEYS)}`,
      ),
    ...(isCurrency(value.currency) ? [] : ['needs a currency of three letters, such as EUR']),
    ...(parts.length > 0 ? [] : [`needs one of ${PART_KEYS.join(', ')}`]),
    ...parts.filter((key) => !isPrice(value[key])).map((key) => `${key} must be a number from 0 to ${MOST}`),
  ];
  if (problems.length > 0) throw new Error(problems.join('; '));
  const priced = parts.map((key) => [PARTS[key], value[key]]);
  return { currency: String(value.currency).toUpperCase(), ...Object.fromEntries(priced) };
}

/** `currency=EUR,vcpu_hour=0.01`, as a variable has it. */
export function formatPrices(prices: ClusterPrices): string {
  const parts = PART_KEYS.flatMap((key) => {
    const price = prices[PARTS[key]];
    return price === undefined ? [] : [`${key}=${price}`];
  });
  return [`currency=${prices.currency}`, ...parts].join(',');
}

function isCurrency(value: unknown): boolean {
  return typeof value === 'string' && CURRENCY.test(value);
}

function isPrice(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= MOST;
}
