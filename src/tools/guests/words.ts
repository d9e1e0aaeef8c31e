import { z } from 'zod';
import { CallError } from '../../proxmox/errors.ts';
import { textParam } from '../params.ts';

/**
 * A list of small objects, such as NICs. Each is checked against the whole shape, and listed as any object: the keys
 * stand in the description, as a schema of them would cost each tool a hundred tokens.
 *
 * @param description names the keys
 */
export function wordsParam<Shape extends z.ZodRawShape>(shape: Shape, description: string) {
  const any = z.record(z.string(), z.unknown());
  return listOf(any.transform(withoutNulls).pipe(z.strictObject(shape)), 32)
    .optional()
    .describe(description);
}

/** Bounds that are checked and not listed: they say nothing to a model, and cost each tool tokens. */
export function listOf<Item extends z.ZodType>(item: Item, most: number) {
  return z
    .array(item)
    .min(1)
    .refine((items) => items.length <= most, `has more than ${most} items`);
}

/** A whole number from 0 or 1 on. */
export function wholeParam(least: 0 | 1, most: number) {
  return z
    .int()
    .min(least)
    .refine((number) => number <= most, `is more than ${most}`);
}

/** A text of one form, which is not listed either. */
export function formParam(form: RegExp, otherwise: string, most = 64) {
  return textParam(most).refine((text) => form.test(text), otherwise);
}

/** Some clients send null for what they leave out. */
function withoutNulls(given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
}

/** @throws CallError INVALID_ARGUMENTS for words that this kind of guest has no use for */
export function refuseWords(
  given: Readonly<Record<string, unknown>>,
  names: readonly string[],
  why: string,
): void {
  const wrong = names.filter((name) => given[name] !== undefined);
  if (wrong.length > 0) throw unfitting(`${wrong.join(', ')}: ${why}.`);
}

export function unfitting(message: string): CallError {
  return new CallError('INVALID_ARGUMENTS', message, { hint: 'Correct the arguments. Nothing was sent.' });
}

/** Joins what several arguments say of a configuration. @throws CallError where two say something of one key */
export function merged<Value>(...parts: readonly Readonly<Record<string, Value>>[]): Record<string, Value> {
  const whole: Record<string, Value> = {};
  for (const part of parts) {
    const twice = Object.keys(part).find((key) => Object.hasOwn(whole, key));
    if (twice !== undefined) throw unfitting(`${twice} is given twice`);
    Object.assign(whole, part);
  }
  return whole;
}
