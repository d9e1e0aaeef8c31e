import type { Catalogue } from './catalogue.ts';
import { namedFormat } from './named-formats.ts';
import { privilegesInWords } from './permissions.ts';
import { riskOf } from './risk.ts';
import { isSecretParameter } from './risk-parameters.ts';
import { typeInWords } from './scalar.ts';
import {
  type ApiMethod,
  type CatalogueSource,
  type HttpMethod,
  type ParameterSchema,
  type PropertyFormat,
  pathParameterNames,
  type ReturnSchema,
  type Risk,
} from './types.ts';

export interface ParameterDescription {
  readonly name: string;
  readonly in: 'path' | 'query' | 'body';
  readonly type: string;
  readonly required: boolean;
  readonly default?: string | number | boolean;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly meaning?: string;
  /** Of a property string: its keys, on one line, or described where asked for. */
  readonly keys?: string | readonly KeyDescription[];
  readonly secret?: boolean;
}

export type KeyDescription = Omit<ParameterDescription, 'in' | 'keys' | 'secret'>;

export interface MethodDescription {
  readonly method: HttpMethod;
  readonly path: string;
  readonly name?: string;
  readonly description: string;
  /** Where the catalogue came from. */
  readonly source: CatalogueSource;
  readonly catalogue: string;
  readonly risk: Risk;
  readonly risks: readonly Risk[];
  readonly reasons: readonly string[];
  readonly privileges: string;
  /** False: only a ticket may call it. */
  readonly allow_token: boolean;
  readonly parameters: readonly ParameterDescription[];
  readonly returns: { readonly text: string; readonly fields?: readonly string[] };
  /** It answers with a UPID; the work goes on in a task. */
  readonly returns_task: boolean;
}

/** Methods that answer text which is no UPID. */
const NO_TASK =
  /\/(?:monitor|schedule_now|wakeonlan|auth-url|lock)$|^POST \/nodes\/\{node\}\/storage\/\{storage\}\/content$/;

/**
 * Describes a method: what it does, its parameters, answer, privileges and risk.
 *
 * @param path the template, or a concrete path that leads to it.
 * @param only describe just these parameters, and the keys of property strings among them at length.
 * @returns undefined where there is no such method.
 */
export function describeMethod(
  catalogue: Catalogue,
  method: HttpMethod,
  path: string,
  only?: readonly string[],
): MethodDescription | undefined {
  const found = catalogue.get(method, path) ?? catalogue.match(method, path)?.method;
  if (found === undefined) return undefined;
  const { risk, risks, reasons } = riskOf(method, found.path);
  return {
    method,
    path: found.path,
    ...(found.name === undefined ? {} : { name: found.name }),
    description: found.description,
    source: catalogue.source,
    catalogue: catalogue.label,
    risk,
    risks,
    reasons,
    privileges: privilegesInWords(found.permissions),
    allow_token: found.allowToken,
    parameters: describeParameters(found, only),
    returns: describeReturns(found.returns),
    returns_task: returnsTask(found),
  };
}

/** Whether a method answers with a UPID. PVE's schema has no field for it: a changing method that answers text. */
function returnsTask(method: ApiMethod): boolean {
  return (
    method.method !== 'GET' &&
    method.returns?.type === 'string' &&
    !NO_TASK.test(`${method.method} ${method.path}`)
  );
}

function describeParameters(method: ApiMethod, only: readonly string[] | undefined): ParameterDescription[] {
  const inPath = new Set(pathParameterNames(method.path));
  const elsewhere = method.method === 'GET' || method.method === 'DELETE' ? 'query' : 'body';
  const wanted = only && new Set(only.flatMap((name) => [name, name.replace(/\d+$/, '[n]')]));
  return Object.entries(method.parameters)
    .filter(([name]) => wanted === undefined || wanted.has(name))
    .map(([name, schema]) => {
      const { name: _, type, required, ...rest } = describeValue(name, schema);
      const format = typeof schema.format === 'object' ? schema.format : namedFormat(schema);
      return {
        name,
        in: inPath.has(name) ? ('path' as const) : (elsewhere as 'query' | 'body'),
        type,
        required,
        ...rest,
        ...(format ? { keys: wanted ? describeKeys(format) : keysOnOneLine(format) } : {}),
        ...(isSecretParameter(method.path, name) ? { secret: true } : {}),
      };
    })
    .sort((a, b) => rank(a) - rank(b));
}

/** In the order one needs them: the path's, the required, the others. */
function rank(parameter: ParameterDescription): number {
  return parameter.in === 'path' ? 0 : parameter.required ? 1 : 2;
}

function describeValue(name: string, schema: ParameterSchema): KeyDescription {
  const { minimum, maximum, description, formatDescription, oneOf } = schema;
  const meaning = description ?? formatDescription;
  const types = oneOf ? [...new Set(oneOf.map(typeInWords))].join('; or ') : typeInWords(schema);
  return {
    name,
    type: schema.enum ? 'text' : types,
    required: !schema.optional,
    ...(schema.default === undefined ? {} : { default: readDefault(schema) }),
    ...(schema.enum ? { enum: schema.enum } : {}),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(meaning === undefined ? {} : { meaning }),
  };
}

function readDefault({ type, default: value = '' }: ParameterSchema): string | number | boolean {
  if (type === 'boolean' && /^[01]$/.test(String(value))) return String(value) === '1';
  return value;
}

function describeKeys(format: PropertyFormat): KeyDescription[] {
  return Object.entries(format)
    .filter(([, schema]) => schema.alias === undefined)
    .map(([key, schema]) => describeValue(key, schema));
}

/** `model: one of e1000, virtio (required, may stand alone); bridge: text` */
function keysOnOneLine(format: PropertyFormat): string {
  return Object.entries(format)
    .filter(([, schema]) => schema.alias === undefined)
    .map(([key, schema]) => {
      const remarks = [schema.optional ? [] : 'required', schema.defaultKey ? 'may stand alone' : []].flat();
      return `${key}: ${typeInWords(schema)}${remarks.length > 0 ? ` (${remarks.join(', ')})` : ''}`;
    })
    .join('; ');
}

function describeReturns(returns: ReturnSchema | undefined): MethodDescription['returns'] {
  if (returns?.type === undefined) return { text: 'not described' };
  const what = returns.type === 'null' ? 'nothing' : returns.type;
  const items = returns.type === 'array' ? returns.items : returns;
  const text = returns.type === 'array' ? `list of ${items?.type ?? 'entries'}` : what;
  const fields = Object.entries(items?.properties ?? {}).map(([name, field]) => fieldOnOneLine(name, field));
  return {
    text: returns.description === undefined ? text : `${text}: ${returns.description}`,
    ...(fields.length > 0 ? { fields } : {}),
  };
}

function fieldOnOneLine(name: string, field: ReturnSchema): string {
  const type = field.type === undefined ? '' : ` (${field.type})`;
  return `${name}${type}${field.description === undefined ? '' : `: ${field.description.slice(0, 160)}`}`;
}
