import type { Catalogue } from './catalogue.ts';
import type { ApiMethod, ParameterSchema } from './types.ts';

/** What differs between two catalogues; each entry is one line for people. */
export interface SchemaDifference {
  /** Methods of the official schema that ours lacks. */
  readonly unknown: readonly string[];
  /** Methods of ours that the official schema lacks. */
  readonly invented: readonly string[];
  /** Parameters that one of both lacks, or that differ in type, need or choice. */
  readonly parameters: readonly string[];
}

/** Holds a catalogue against an official one. */
export function compareSchema(official: Catalogue, ours: Catalogue): SchemaDifference {
  const parameters: string[] = [];
  const unknown: string[] = [];
  for (const method of official.methods) {
    const own = ours.get(method.method, method.path);
    if (own === undefined) unknown.push(title(method));
    else parameters.push(...compareParameters(method, own));
  }
  const invented = ours.methods.filter((method) => !official.get(method.method, method.path)).map(title);
  return { unknown, invented, parameters };
}

function compareParameters(official: ApiMethod, ours: ApiMethod): string[] {
  const lines: string[] = [];
  for (const [name, schema] of Object.entries(official.parameters)) {
    const own = Object.hasOwn(ours.parameters, name) ? ours.parameters[name] : undefined;
    const difference = own === undefined ? 'is not known' : differenceOf(schema, own);
    if (difference !== undefined) lines.push(`${title(official)}: ${name} ${difference}`);
  }
  for (const name of Object.keys(ours.parameters)) {
    if (!Object.hasOwn(official.parameters, name)) lines.push(`${title(official)}: ${name} is invented`);
  }
  return lines;
}

function differenceOf(official: ParameterSchema, ours: ParameterSchema): string | undefined {
  if (official.type !== ours.type) return `is ${official.type ?? 'untyped'}, not ${ours.type ?? 'untyped'}`;
  if (Boolean(official.optional) !== Boolean(ours.optional)) {
    return official.optional ? 'is optional, not required' : 'is required, not optional';
  }
  const choice = [...(official.enum ?? [])].sort().join(', ');
  if (choice !== [...(ours.enum ?? [])].sort().join(', ')) return `may be ${choice || 'anything'}`;
  return undefined;
}

function title(method: ApiMethod): string {
  return `${method.method} ${method.path}`;
}
