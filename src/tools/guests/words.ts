import { unfitting } from '../refusals.ts';

/** @throws CallError INVALID_ARGUMENTS for words that this kind of guest has no use for */
export function refuseWords(
  given: Readonly<Record<string, unknown>>,
  names: readonly string[],
  why: string,
): void {
  const wrong = names.filter((name) => given[name] !== undefined);
  if (wrong.length > 0) throw unfitting(`${wrong.join(', ')}: ${why}.`);
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
