import { nearestNames } from '../config/nearest.ts';
import type { ApiMethod, ParameterSchema } from './types.ts';

/** A method's parameter by the name a caller uses: `net0` finds `net[n]`. */
export function findParameter(method: ApiMethod, name: string): ParameterSchema | undefined {
  if (Object.hasOwn(method.parameters, name)) return isIndexed(name) ? undefined : method.parameters[name];
  const indexed = splitIndex(name);
  if (indexed === undefined) return undefined;
  const template = `${indexed.stem}[n]`;
  const schema = Object.hasOwn(method.parameters, template) ? method.parameters[template] : undefined;
  return schema && indexed.index <= highestIndex(schema) ? schema : undefined;
}

/** Known names like an unknown one, with the caller's own index put in for `[n]`. */
export function nearestParameters(method: ApiMethod, name: string): string[] {
  const index = splitIndex(name)?.index ?? 0;
  const names = Object.entries(method.parameters).map(([known, schema]) =>
    isIndexed(known) ? known.replace('[n]', String(Math.min(index, highestIndex(schema)))) : known,
  );
  return nearestNames(
    isIndexed(name) ? name.replace('[n]', String(index)) : name,
    names.filter((known) => known !== name),
  );
}

function isIndexed(name: string): boolean {
  return name.endsWith('[n]');
}

function splitIndex(name: string): { stem: string; index: number } | undefined {
  const match = /^(.*\D)(0|[1-9]\d{0,3})$/.exec(name);
  return match ? { stem: match[1] ?? '', index: Number(match[2]) } : undefined;
}

// The schema has no field for it, but for disks and ports the description ends "(n is 0 to 30)".
function highestIndex(schema: ParameterSchema): number {
  const range = /\(n is 0 to (\d+)\)/.exec(schema.description ?? '');
  return range ? Number(range[1]) : Number.POSITIVE_INFINITY;
}
