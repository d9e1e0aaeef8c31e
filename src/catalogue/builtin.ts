import { readFileSync } from 'node:fs';
import { Catalogue } from './catalogue.ts';
import { readParameter } from './parameter.ts';
import { readMethod } from './schema.ts';
import type { ApiMethod, HttpMethod, ParameterSchema, ReturnSchema } from './types.ts';

/** The lines of the file that scripts/build-catalogue.ts writes: the package, then types, then methods. */
type BuiltInLine = BuiltInHeader | { readonly type: string; readonly schema: unknown } | BuiltInMethod;

interface BuiltInHeader {
  readonly package: string;
  readonly version: string;
  readonly meanings: Readonly<Record<string, string>>;
}

interface BuiltInMethod {
  readonly method: HttpMethod;
  readonly path: string;
  /** A type's name by parameter, with a ? before it where the parameter is optional. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly returns?: ReturnSchema;
  readonly description: string;
  readonly permissions?: unknown;
  readonly allowtoken?: number;
}

/**
 * Loads the catalogue that is part of this program: what the types of the `proxmox-api` package say of the
 * API of about PVE 8.2. It knows no defaults of parameters, and nothing of what later versions added.
 */
export function loadBuiltInCatalogue(): Catalogue {
  const text = readFileSync(new URL('./builtin.jsonl', import.meta.url), 'utf8');
  let about: BuiltInHeader = { package: 'unknown', version: '', meanings: {} };
  const types = new Map<string, ParameterSchema>();
  const methods: ApiMethod[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const entry = JSON.parse(line) as BuiltInLine;
    if ('package' in entry) about = entry;
    else if ('schema' in entry) types.set(entry.type, readParameter(entry.schema));
    else methods.push(expand(entry, types, about.meanings));
  }
  const label = `built-in, about PVE 8.2, from ${about.package} ${about.version}`;
  return new Catalogue({ source: 'built-in', label, methods });
}

function expand(
  method: BuiltInMethod,
  types: ReadonlyMap<string, ParameterSchema>,
  meanings: Readonly<Record<string, string>>,
): ApiMethod {
  const parameters = Object.entries(method.parameters).map(([name, reference]) => {
    const optional = reference.startsWith('?');
    const type = types.get(optional ? reference.slice(1) : reference) ?? {};
    const meaning = Object.hasOwn(meanings, name) ? meanings[name] : undefined;
    const schema: ParameterSchema = {
      ...type,
      ...(type.description === undefined && meaning !== undefined ? { description: meaning } : {}),
      ...(optional ? { optional } : {}),
    };
    return [name, schema] as const;
  });
  // The answers are most of the file and are written as they are needed; only the rest is read.
  const { parameters: _, returns, ...info } = method;
  return {
    ...readMethod(method.method, method.path, info),
    parameters: Object.fromEntries(parameters),
    additionalProperties: false,
    ...(returns ? { returns } : {}),
  };
}
