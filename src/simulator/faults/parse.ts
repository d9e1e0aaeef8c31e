import { z } from 'zod';
import { STRIKES } from './answers.ts';
import type { Fault, FaultKind } from './kinds.ts';
import { LASTING } from './lasting.ts';

/** A fault as the command line gives it, and the cluster it is for; without one it is for all. */
export interface DescribedFault {
  fault: Fault;
  cluster?: string;
}

const KINDS: readonly string[] = [...Object.keys(STRIKES), 'blackhole', 'half-open', ...Object.keys(LASTING)];

const count = z.coerce.number().int().min(0);
const positive = z.coerce.number().positive();
const text = z.string().min(1);

/** What every kind takes. */
const SCOPE = {
  cluster: text.optional(),
  node: text.optional(),
  times: z.coerce.number().int().positive().optional(),
  seconds: positive.optional(),
  rate: z.coerce.number().positive().max(1).optional(),
};

/** What a kind takes beside the scope. */
const OPTIONS: Partial<Record<FaultKind, z.ZodRawShape>> = {
  html: { body: text.optional() },
  'truncated-json': { end: z.stringbool().optional() },
  status: {
    code: z.coerce.number().int().min(100).max(599),
    reason: text.optional(),
    message: text.optional(),
  },
  'proxy-error': {
    code: z.coerce
      .number()
      .pipe(z.union([z.literal(595), z.literal(596), z.literal(599)]))
      .optional(),
  },
  redirect: {
    location: text.optional(),
    code: z.coerce
      .number()
      .pipe(z.union([z.literal(301), z.literal(302), z.literal(307), z.literal(308)]))
      .optional(),
  },
  slow: { ms: positive },
  'slow-headers': { ms: positive.optional() },
  'slow-body': { ms: positive.optional() },
  'revoked-token': { token: text.optional() },
  'task-error': { message: text.optional() },
  'task-warnings': { count: count.optional() },
  'task-log': { lines: count.optional() },
  'lock-held': { vmid: count, lock: text.optional() },
  'storage-full': { storage: text },
  'clock-skew': { ahead: z.coerce.number() },
};

/**
 * Reads `KIND[:MATCH][:NAME=VALUE,…]`, such as `hang:GET /nodes:times=3`, `node-down:node=pve2`,
 * `lock-held:vmid=100,lock=backup` or `storm:GET *:rate=0.5,cluster=staging`.
 *
 * MATCH is a verb and a path below the API; `*` stands for one segment or the verb, `**` for any number of segments.
 *
 * @throws Error saying what is wrong, in words for the command line
 */
export function parseFault(description: string): DescribedFault {
  const [kind = '', ...rest] = description.split(':');
  if (!KINDS.includes(kind)) {
    throw new Error(`unknown fault '${kind}'; there are ${KINDS.join(', ')}`);
  }
  const last = rest.at(-1) ?? '';
  const first = rest.findIndex((part) => /^[a-z]+=/.test(part));
  const from = first < 0 ? rest.length : first;
  // A value may hold colons itself: `location=https://other:8006/`.
  const options = first < 0 ? {} : readPairs(rest.slice(from).join(':'));
  const match = rest.slice(0, from).join(':');
  if (match === '' && rest.length > 0 && last === '')
    throw new Error(`the fault '${description}' ends in ':'`);
  const shape = z.strictObject({ ...SCOPE, ...OPTIONS[kind as FaultKind] });
  const parsed = shape.safeParse(options);
  if (!parsed.success) throw new Error(`in the fault '${description}': ${inWords(parsed.error)}`);
  const { cluster, ...known } = Object.fromEntries(
    Object.entries(parsed.data).filter(([, value]) => value !== undefined),
  );
  const fault = { kind, ...known, ...(match === '' ? {} : { match: toExpression(match) }) } as Fault;
  return { fault, ...(cluster === undefined ? {} : { cluster: String(cluster) }) };
}

function readPairs(text: string): Record<string, string> {
  const pairs = text.split(/,(?=[a-z]+=)/).map((pair) => {
    const cut = pair.indexOf('=');
    return [pair.slice(0, cut), pair.slice(cut + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

function inWords({ issues }: z.ZodError): string {
  return issues
    .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
    .join('; ');
}

function toExpression(match: string): RegExp {
  const call = match.includes(' ') ? match : `* ${match}`;
  const source = call
    .split(/(\*\*|\*)/)
    .map((part) => {
      if (part === '**') return '.*';
      return part === '*' ? '[^/ ]+' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  return new RegExp(`^${source}$`);
}
