import { isIP } from 'node:net';
import type { ClusterConfig, Endpoint } from '../config/config.ts';
import { formatEndpoint } from '../config/endpoint.ts';
import { type ApiPath, apiPath } from './api-path.ts';
import type { Ending } from './ending.ts';
import { CallError } from './errors.ts';
import type { NodeLink } from './node-link.ts';
import { ConnectFailure } from './tls.ts';

/** A node as `GET /cluster/status` names it. */
interface NodeRow {
  name: string;
  ip?: string;
  /** Whether it is the node that answered. */
  isLocal: boolean;
  isOnline: boolean;
}

export interface NodeFinderDeps {
  config: ClusterConfig;
  /** To the configured endpoints. */
  links: readonly NodeLink[];
  linkTo(endpoint: Endpoint): NodeLink;
  /** Asks one endpoint; throws CallError. */
  ask(path: ApiPath, link: NodeLink, options: { signal: Ending; deadlineMs: number }): Promise<unknown>;
}

const STATUS_PATH = apiPath`/cluster/status`;
const NODES_PATH = apiPath`/nodes`;
const ASK_MS = 8_000;

/**
 * Finds the way to one node itself: PVE takes an upload only on the node that it is for.
 *
 * What was found is kept as a first guess, but a link counts only once it has just said that it is the node: an
 * address may move to another one, and a ticket that ran out is renewed before a body is opened that can't be resent.
 */
export class NodeFinder {
  readonly #deps: NodeFinderDeps;
  readonly #known = new Map<string, NodeLink>();

  constructor(deps: NodeFinderDeps) {
    this.#deps = deps;
  }

  /**
   * @returns the link to a configured endpoint that is this node, else to the address that the cluster has for it.
   * @throws CallError where there is no such node, it is offline, or its own address can't be reached or trusted.
   */
  async find(node: string, signal: Ending): Promise<NodeLink> {
    const known = this.#known.get(node);
    if (known !== undefined) {
      const { rows } = await this.#status(known, signal);
      if (isLocal(rows, node)) return known;
      this.#known.delete(node);
    }
    const answers = await Promise.all(this.#deps.links.map((link) => this.#status(link, signal)));
    signal.throwIfAborted();
    const own = answers.find(({ rows }) => isLocal(rows, node));
    if (own !== undefined) return this.#remember(node, own.link);
    const answered = answers.find(({ rows }) => rows.length > 0);
    if (answered === undefined)
      throw answers.find(({ error }) => error !== undefined)?.error ?? nothingSaid();
    return this.#byAddress(rowOf(answered.rows, node), signal);
  }

  async #byAddress(row: NodeRow, signal: Ending): Promise<NodeLink> {
    const { endpoints, tls } = this.#deps.config;
    if (row.ip === undefined) throw unreachable(row.name, 'the cluster names no address of it');
    const endpoint = { host: row.ip, port: endpoints[0]?.port ?? 8006 };
    // Credentials went to pinned certificates alone so far; that must not end with an address nobody wrote down.
    const isPinned = endpoints.some(({ fingerprint }) => fingerprint !== undefined);
    if (isPinned && tls.fingerprint === undefined && !tls.verify) {
      throw unreachable(row.name, 'no fingerprint is configured for it', endpoint);
    }
    const link = this.#deps.linkTo(endpoint);
    const { rows, error } = await this.#status(link, signal);
    signal.throwIfAborted();
    if (error !== undefined) throw explained(error, row.name, endpoint);
    if (!isLocal(rows, row.name))
      throw unreachable(row.name, 'another node answers at its address', endpoint);
    return this.#remember(row.name, link);
  }

  #remember(node: string, link: NodeLink): NodeLink {
    this.#known.set(node, link);
    return link;
  }

  async #status(
    link: NodeLink,
    signal: Ending,
  ): Promise<{ link: NodeLink; rows: NodeRow[]; error?: unknown }> {
    const options = { signal, deadlineMs: ASK_MS };
    try {
      return { link, rows: nodeRows(await this.#deps.ask(STATUS_PATH, link, options)) };
    } catch (error) {
      const isDenied = error instanceof CallError && error.code === 'PERMISSION_DENIED';
      const only = isDenied ? await this.#onlyNode(link, signal) : undefined;
      return { link, rows: only === undefined ? [] : [only], ...(only === undefined ? { error } : {}) };
    }
  }

  /** /cluster/status takes Sys.Audit on /, /nodes nothing: enough where the cluster is one node. */
  async #onlyNode(link: NodeLink, signal: Ending): Promise<NodeRow | undefined> {
    try {
      const data = await this.#deps.ask(NODES_PATH, link, { signal, deadlineMs: ASK_MS });
      const names = objects(data).map(({ node }) => node);
      const [name] = names;
      if (names.length !== 1 || typeof name !== 'string') return undefined;
      return { name, isLocal: true, isOnline: true };
    } catch {
      return undefined;
    }
  }
}

function nodeRows(data: unknown): NodeRow[] {
  return objects(data)
    .filter(({ type, name }) => type === 'node' && typeof name === 'string')
    .map(({ name, ip, local, online }) => ({
      name: String(name),
      // It is connected to, and told to other nodes: nothing else may pass for an address.
      ...(typeof ip === 'string' && isIP(ip) !== 0 ? { ip } : {}),
      isLocal: Number(local) === 1,
      isOnline: Number(online) === 1,
    }));
}

function objects(data: unknown): Record<string, unknown>[] {
  return Array.isArray(data) ? data.filter((row) => typeof row === 'object' && row !== null) : [];
}

function isLocal(rows: readonly NodeRow[], node: string): boolean {
  return rows.some((row) => row.isLocal && row.name === node);
}

function rowOf(rows: readonly NodeRow[], node: string): NodeRow {
  const row = rows.find(({ name }) => name === node);
  if (row === undefined) {
    throw new CallError('NOT_FOUND', `The cluster has no node ${JSON.stringify(node)}.`, {
      hint: `Use one of: ${rows.map(({ name }) => name).join(', ')}.`,
    });
  }
  if (row.isOnline) return row;
  throw new CallError('UPSTREAM_ERROR', `Node ${node} is offline. Nothing was sent.`, {
    hint: 'Check the node; list_nodes says when it is back.',
    retryable: true,
  });
}

function unreachable(node: string, problem: string, endpoint?: Endpoint, cause?: ConnectFailure): CallError {
  const where = endpoint === undefined ? '' : ` at ${formatEndpoint(endpoint)}`;
  const seen = cause?.seenFingerprint;
  const shown = seen === undefined ? '' : ` (the one seen is ${seen}; compare it first)`;
  return new CallError(
    'CLUSTER_UNREACHABLE',
    `Node ${node} has to be reached itself${where}: ${problem}. Nothing was sent.`,
    {
      hint: `Add node ${node} to the \`endpoints\` of this cluster, as {"url":"host:port","fingerprint":"…"} with the fingerprint that pvenode cert info shows there${shown}.`,
      retryable: false,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}

/** Where connecting failed, what helps is another address or a fingerprint; else the error says it itself. */
function explained(error: unknown, node: string, endpoint: Endpoint): unknown {
  const cause = error instanceof CallError ? error.cause : undefined;
  return cause instanceof ConnectFailure ? unreachable(node, `it ${cause.message}`, endpoint, cause) : error;
}

function nothingSaid(): CallError {
  return new CallError('UPSTREAM_ERROR', 'The cluster did not say which nodes it has.', {
    hint: 'Check `url` of this cluster; GET /cluster/status should list its nodes.',
  });
}
