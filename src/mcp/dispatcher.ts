import type { Logger } from 'pino';
import { z } from 'zod';
import type { Gate, GatedCluster } from '../access/gate.ts';
import { requireScope } from '../access/policy.ts';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory, Selection, Target } from '../clusters/cluster.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import type { Progress, Tool, ToolContext } from '../tools/define.ts';
import { listingOf, type ToolListing } from '../tools/registry.ts';
import { Deadline } from './deadline.ts';
import { HeldClusters } from './held-clusters.ts';
import { ListChanges } from './list-changes.ts';
import { RunningCalls } from './running-calls.ts';

/** The doors a call can come through; the name goes into the record of the call. */
type Door = 'streamable-http' | 'stateless' | 'sse' | 'stdio';

/** Who is at a door, and which clusters it was opened to. */
export interface Caller {
  principal: Principal;
  door: Door;
  directory: ClusterDirectory;
}

export interface CallOptions {
  /** Aborted when the client cancels or goes away. */
  signal: AbortSignal;
  progress?: ((update: Progress) => void) | undefined;
}

/** A tool's answer in MCP's form, without a type of either SDK. */
export interface ToolResult {
  [key: string]: unknown;
  content: { type: 'text'; text: string }[];
  structuredContent: Record<string, unknown>;
  isError?: boolean;
}

export interface DispatcherOptions {
  tools: readonly Tool[];
  gate: Gate;
  logger: Logger;
  /** Gives each call its id; injected so that tests can name them. */
  newId: () => string;
  /** Epoch milliseconds. */
  clock?: () => number;
  /** The limit of a call whose tool names none, in seconds. */
  deadlineSeconds?: number;
  /** How many calls of one principal may run at once; the next one is refused. */
  callsPerPrincipal?: number;
}

/** What is known of a call while it runs. */
interface CallState {
  readonly requestId: string;
  readonly tool: string;
  /** Says of each line whose call it belongs to. */
  readonly log: Logger;
  cluster: string | undefined;
}

interface Listings {
  revision: number;
  tools: readonly ToolListing[];
}

/** More than a person's assistants need at once, and fewer than would fill the queues of a node. */
const MOST_CALLS = 64;
/** No tool takes as many; more of them are not worth naming one by one. */
const MOST_ARGUMENTS = 64;

/** The JSON-RPC error of a call to a tool that does not exist (MCP, "Tools", error handling). */
export class UnknownToolError extends Error {
  override readonly name = 'UnknownToolError';
}

/**
 * What every door leads to: lists tools and runs them, and knows no SDK. A call that fails in any way still gives a
 * result; only an unknown tool is a protocol error.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #listings = new WeakMap<ClusterDirectory, Listings>();
  /** Who is told when a list of tools becomes another one. */
  readonly listChanges = new ListChanges((directory) => this.listTools({ directory }));
  readonly #running: RunningCalls;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#running = new RunningCalls(options.callsPerPrincipal ?? MOST_CALLS);
    this.#tools = new Map(options.tools.map((tool) => [tool.name, tool]));
  }

  /** The tools as this caller sees them; made once per set of clusters and revision of the configuration. */
  listTools({ directory }: Pick<Caller, 'directory'>): readonly ToolListing[] {
    const known = this.#listings.get(directory);
    if (known?.revision === directory.revision) return known.tools;
    const clusters = directory.list();
    const estate = {
      clusters: clusters.map((cluster) => cluster.name),
      defaultCluster: directory.defaultCluster,
      isMapped: clusters.some(({ config }) => config.patterns.length > 0 || config.vmids.length > 0),
    };
    const tools = this.#options.tools.map((tool) => listingOf(tool, estate));
    this.#listings.set(directory, { revision: directory.revision, tools });
    return tools;
  }

  /** @throws UnknownToolError */
  async callTool(name: string, args: unknown, caller: Caller, options: CallOptions): Promise<ToolResult> {
    const tool = this.#tools.get(name);
    if (!tool) {
      const known = [...this.#tools.keys()].join(', ');
      throw new UnknownToolError(`Unknown tool: ${printable(name)}. The tools are: ${known}.`);
    }
    const requestId = this.#options.newId();
    const startedAt = this.#now();
    const { principal, door } = caller;
    const log = this.#options.logger.child({
      request_id: requestId,
      subject: principal.subject,
      tool: name,
      door,
    });
    const state: CallState = { requestId, tool: tool.name, log, cluster: undefined };
    try {
      const result = await this.#running.run(principal.id, () =>
        this.#run(tool, args, caller, options, state),
      );
      log.info({ outcome: 'ok', duration_ms: this.#now() - startedAt }, 'tool call');
      return result;
    } catch (thrown) {
      const error = toCallError(thrown);
      const cause = error.code === 'INTERNAL' ? thrown : undefined;
      log.warn({ outcome: error.code, duration_ms: this.#now() - startedAt, err: cause }, 'tool call');
      return failure(error, state.cluster);
    }
  }

  /** Waits for the calls under way, `milliseconds` at most; for the drain at the end of the process. */
  settled(milliseconds: number): Promise<void> {
    return this.#running.settled(milliseconds);
  }

  async #run(
    tool: Tool,
    args: unknown,
    caller: Caller,
    options: CallOptions,
    state: CallState,
  ): Promise<ToolResult> {
    const call = prepare(tool, args);
    const seconds = call.deadlineSeconds ?? this.#options.deadlineSeconds ?? 60;
    using deadline = new Deadline(options.signal, seconds);
    // Until the call is over, its clusters stay open: a reload may put others in their place meanwhile.
    using leases = new DisposableStack();
    const context = this.#context(caller, options, state, { deadline, leases });
    const { structured, summary } = await deadline.race(call.run(context));
    return {
      content: [
        { type: 'text', text: `${fallbackNotice(structured)}${summary}` },
        { type: 'text', text: JSON.stringify(structured) },
      ],
      structuredContent: structured,
    };
  }

  #context(
    { principal, door, directory: all }: Caller,
    { progress }: CallOptions,
    state: CallState,
    { deadline, leases }: { deadline: Deadline; leases: DisposableStack },
  ): ToolContext {
    const { gate } = this.#options;
    const { signal } = deadline;
    const { requestId, tool, log } = state;
    const directory = new HeldClusters(all, leases);
    const open = (selection: Selection): GatedCluster =>
      gate.open(selection, { principal, requestId, tool, door, signal });
    const decided = (selection: Selection): GatedCluster => {
      const { cluster, selectedBy, matched } = selection;
      state.cluster = cluster.name;
      log.info({ cluster: cluster.name, selected_by: selectedBy, matched }, 'cluster selected');
      return open(selection);
    };
    return {
      cluster: (wanted) => {
        const target = typeof wanted === 'object' ? wanted : { cluster: wanted };
        const anyCluster = this.#tools.get(tool)?.withoutCluster === 'any';
        return decided(judged(log, () => select(directory, target, anyCluster)));
      },
      claimant: (target) => {
        const selection = judged(log, () => directory.claim(target));
        return selection && decided(selection);
      },
      found: (cluster) => decided({ ...directory.select({ cluster }), selectedBy: 'lookup' }),
      fleet: (name) => {
        const clusters = name === undefined ? directory.list() : [];
        if (clusters.length < 2) {
          return { clusters: [decided(directory.select({ cluster: name }))], isAll: false };
        }
        log.info({ clusters: clusters.length, selected_by: 'all' }, 'clusters selected');
        return { clusters: clusters.map((cluster) => open({ cluster, selectedBy: 'any' })), isAll: true };
      },
      clusters: () => {
        requireScope(principal, 'proxmox:read');
        return directory.list();
      },
      defaultCluster: () => directory.defaultCluster,
      signal,
      progress: (update) => progress?.(update),
      sleep: (milliseconds) => deadline.sleep(milliseconds),
      now: () => this.#now(),
    };
  }

  #now(): number {
    return (this.#options.clock ?? Date.now)();
  }
}

function select(directory: ClusterDirectory, target: Target, anyCluster: boolean): Selection {
  const undecided = target.cluster === undefined && directory.defaultCluster === undefined;
  const [first] = anyCluster && undecided ? directory.list() : [];
  return first ? { cluster: first, selectedBy: 'any' } : directory.select(target);
}

/**
 * A choice that two clusters contest is a decision like any other: the log says between which. A name that no cluster
 * has is the caller's text, and stays out.
 */
function judged<T>(log: Logger, choose: () => T): T {
  try {
    return choose();
  } catch (error) {
    if (error instanceof CallError && error.code === 'CLUSTER_AMBIGUOUS') {
      log.info({ outcome: error.code, why: error.message }, 'no cluster selected');
    }
    throw error;
  }
}

/** Some clients send `null` for arguments they leave out, so `null` counts as absent. */
function prepare(tool: Tool, args: unknown) {
  const given = typeof args === 'object' && args !== null && !Array.isArray(args) ? args : {};
  if (Object.keys(given).length > MOST_ARGUMENTS) {
    throw new CallError('INVALID_ARGUMENTS', `A call takes at most ${MOST_ARGUMENTS} arguments.`, {
      hint: 'Parameters of an API method belong into `data`. Nothing was sent.',
    });
  }
  try {
    return tool.prepare(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)));
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new CallError('INVALID_ARGUMENTS', `The arguments do not fit: ${problemsOf(error)}.`, {
      hint: `${tool.name} takes: ${Object.keys(tool.input.shape).join(', ') || 'no arguments'}. Nothing was sent.`,
      cause: error,
    });
  }
}

function problemsOf(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')}: ${message}`))
    .join('; ');
}

/** @param cluster the one the call had picked; an error from above the engine does not know it */
function failure(error: CallError, cluster: string | undefined): ToolResult {
  const body = { ...(cluster === undefined ? {} : { cluster }), ...error.toBody() };
  return {
    content: [
      { type: 'text', text: `${body.code}: ${body.message} ${body.hint}` },
      { type: 'text', text: JSON.stringify({ error: body }) },
    ],
    structuredContent: { error: body },
    isError: true,
  };
}

/** What a reader of the text alone must not miss: the answer is about another cluster than the one asked for. */
function fallbackNotice({ cluster, served_by }: Record<string, unknown>): string {
  return served_by === undefined ? '' : `${cluster} is unreachable; its fallback ${served_by} answered: `;
}

function printable(name: string): string {
  return JSON.stringify(name.slice(0, 100));
}
