import { isObject, type Json } from '../catalogue/json.ts';
import type { Caller, CallOptions, Dispatcher } from './dispatcher.ts';
import { lookAtInventories } from './fleet-look.ts';
import { INTERNAL_ERROR, INVALID_PARAMS, ProtocolProblem, RESOURCE_NOT_FOUND } from './protocol-problem.ts';
import { kindOf, RESOURCE_KINDS, type ResourceKind } from './resource-kinds.ts';
import { fillUri, type ResourceValues, variablesOf } from './resource-uri.ts';
import { DATA_NOTICE } from './result.ts';

/** A resource as `resources/list` shows it. */
export interface ResourceListing {
  [key: string]: unknown;
  uri: string;
  name: string;
  title: string;
  mimeType: string;
  description?: string;
}

interface Entry {
  listing: ResourceListing;
  /** What the list is sorted by, and its cursor is made of. */
  key: string;
}

/** A resource that a caller may read, and how. */
interface Readable {
  kind: ResourceKind;
  tool: string;
  args: Record<string, unknown>;
}

const JSON_TYPE = 'application/json';
const PAGE = 200;
/** Errors of a tool that mean the same as a resource that does not exist. */
const NOT_THERE = new Set(['NOT_FOUND', 'CLUSTER_NOT_FOUND']);

/** What can be read by URI. Each reading is a call of the tool that shows the same, with all that goes with one. */
export class Resources {
  readonly #dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** The kinds of resources this caller may read that have something to fill in. */
  templates(caller: Caller) {
    return this.#kindsFor(caller)
      .filter(({ template }) => variablesOf(template).length > 0)
      .map(({ template: uriTemplate, name, title, description }) => {
        return { uriTemplate, name, title, description, mimeType: JSON_TYPE };
      });
  }

  /** The kind with this template, where the caller is offered it. */
  kindWith(template: string, caller: Caller): ResourceKind | undefined {
    return this.#kindsFor(caller).find((kind) => kind.template === template);
  }

  /**
   * The clusters, and the nodes of those that answer at once; guests and storages are many, and found by completion.
   *
   * @throws ProtocolProblem for a cursor that no list gave
   */
  async list(cursor: string | undefined, caller: Caller, signal: AbortSignal) {
    const after = cursor === undefined ? undefined : keyOf(cursor);
    const entries = [...this.#fixedEntries(caller), ...(await this.#nodeEntries(caller, signal))]
      .sort((one, other) => (one.key < other.key ? -1 : 1))
      .filter(({ key }) => after === undefined || key > after);
    const page = entries.slice(0, PAGE);
    const last = page.at(-1);
    const more = last !== undefined && entries.length > page.length;
    return {
      resources: page.map(({ listing }) => listing),
      ...(more ? { nextCursor: Buffer.from(last.key).toString('base64url') } : {}),
    };
  }

  /** @throws ProtocolProblem for what is not there, or for the error that the tool gave */
  async read(uri: string, caller: Caller, signal: AbortSignal) {
    const { kind, tool, args } = this.#readable(uri, caller);
    const answer = await this.#answer(uri, { kind, tool, args }, caller, { signal });
    // Where a tool's answer has it in front, a resource has it inside: a client shows the text alone.
    const text = JSON.stringify({ _notice: DATA_NOTICE, ...answer });
    return { contents: [{ uri, mimeType: JSON_TYPE, text }] };
  }

  /**
   * What of a resource stays the same while nothing happens.
   *
   * @throws ProtocolProblem as `read` does
   */
  async essence(uri: string, caller: Caller, options: CallOptions) {
    const { kind, tool, args } = this.#readable(uri, caller);
    const asked = { kind, tool, args: { ...args, ...kind.watchArgs?.[tool] } };
    return kind.essence(await this.#answer(uri, asked, caller, options));
  }

  #kindsFor(caller: Caller): ResourceKind[] {
    return RESOURCE_KINDS.filter((kind) => this.#readerOf(kind, caller) !== undefined);
  }

  #readerOf({ readers }: ResourceKind, caller: Caller) {
    return readers.find(({ tool }) => this.#dispatcher.offers(tool, caller));
  }

  #readable(uri: string, caller: Caller): Readable {
    const { kind, values } = kindOf(uri) ?? {};
    const reader = kind && this.#readerOf(kind, caller);
    if (kind === undefined || values === undefined || reader === undefined) {
      const known = this.#kindsFor(caller).map(({ template }) => template);
      throw notFound(uri, `No such resource. There are: ${known.join(', ') || 'none for this token'}.`);
    }
    const { cluster } = values;
    const clusters = this.#dispatcher.clusterNames(caller);
    // With a single cluster the tools take it whatever is named; a URI that names another means that other one.
    if (cluster !== undefined && !clusters.includes(cluster)) {
      throw notFound(uri, `There is no cluster of that name here; list_clusters names those that are.`);
    }
    return { kind, tool: reader.tool, args: reader.args(values) };
  }

  async #answer(
    uri: string,
    { kind, tool, args }: Readable,
    caller: Caller,
    options: CallOptions,
  ): Promise<Json> {
    const { isError, structuredContent } = await this.#dispatcher.callTool(tool, args, caller, options);
    if (isError) throw problemOf(uri, structuredContent);
    if (kind.isMissing?.(structuredContent)) throw notFound(uri, 'There is no such resource.');
    return structuredContent;
  }

  #fixedEntries(caller: Caller): Entry[] {
    const kinds = this.#kindsFor(caller);
    const single = kinds
      .filter(({ template }) => variablesOf(template).length === 0)
      // Before every name of a cluster, and each with a key of its own.
      .map((kind, index) => ({ key: ' '.repeat(index), listing: listingOf(kind, {}, kind.title) }));
    const cluster = kinds.find(({ name }) => name === 'cluster');
    if (cluster === undefined) return single;
    const each = this.#dispatcher.clusterNames(caller).map((name) => {
      return { key: name, listing: listingOf(cluster, { cluster: name }, name) };
    });
    return [...single, ...each];
  }

  async #nodeEntries(caller: Caller, signal: AbortSignal): Promise<Entry[]> {
    const kind = this.#kindsFor(caller).find(({ name }) => name === 'node');
    if (kind === undefined) return [];
    const look = { tool: 'get_node', caller, signal };
    const found = await lookAtInventories(this.#dispatcher, look, ({ nodes }, cluster) =>
      nodes.map(({ node }) => ({ cluster, node })),
    )
      // Those that can be listed without asking are a list, too.
      .catch(() => []);
    signal.throwIfAborted();
    return found.map(({ cluster, node }) => {
      return {
        key: `${cluster}/${node}`,
        listing: listingOf(kind, { cluster, node }, `${node} of ${cluster}`),
      };
    });
  }
}

function listingOf(kind: ResourceKind, values: ResourceValues, title: string): ResourceListing {
  const { name, description, template } = kind;
  const uri = fillUri(template, values);
  const of = Object.values(values).join('/');
  return { uri, name: of === '' ? name : of, title, mimeType: JSON_TYPE, description };
}

function keyOf(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString();
  if (Buffer.from(key).toString('base64url') === cursor) return key;
  throw new ProtocolProblem(INVALID_PARAMS, 'The cursor is none that this list gave: begin without one.');
}

function notFound(uri: string, message: string): ProtocolProblem {
  return new ProtocolProblem(RESOURCE_NOT_FOUND, message, { uri: uri.slice(0, 200), code: 'NOT_FOUND' });
}

/** The error of a tool as a protocol error: a resource has no other way to say why. */
function problemOf(uri: string, { error }: Json): ProtocolProblem {
  const body = isObject(error) ? error : {};
  const { code, message, hint } = body;
  const number = NOT_THERE.has(String(code))
    ? RESOURCE_NOT_FOUND
    : code === 'INVALID_ARGUMENTS'
      ? INVALID_PARAMS
      : INTERNAL_ERROR;
  return new ProtocolProblem(number, `${code}: ${message} ${hint ?? ''}`.trim(), {
    uri: uri.slice(0, 200),
    ...body,
  });
}
