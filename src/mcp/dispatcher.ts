import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { AskPerson } from '../access/approvals/approvals.ts';
import type { StandingApproval } from '../access/approving.ts';
import { type CallCounter, CallRate } from '../access/call-rate.ts';
import type { GatedCluster } from '../access/gate.ts';
import type { Principal } from '../access/principal.ts';
import type { ClusterDirectory, Selection, Target } from '../clusters/cluster.ts';
import type { Toolset } from '../config/toolsets.ts';
import { type Observer, UNOBSERVED } from '../observability/observer.ts';
import { Redaction } from '../observability/redaction.ts';
import { currentRequest, inRequest } from '../observability/request-context.ts';
import type { Tracing } from '../observability/tracing.ts';
import { CallError, toCallError } from '../proxmox/errors.ts';
import { Slab } from '../proxmox/slab.ts';
import { visible } from '../proxmox/text.ts';
import type { Progress, Tool, ToolContext } from '../tools/define.ts';
import type { ToolListing } from '../tools/registry.ts';
import { AlertNews } from './alert-news.ts';
import { prepare } from './arguments.ts';
import { BesideTools } from './beside-tools.ts';
import { Deadline } from './deadline.ts';
import { HeldClusters } from './held-clusters.ts';
import { ListChanges } from './list-changes.ts';
import { callSpan, measured } from './observed-call.ts';
import { OfferedTools, type OfferedToolsOptions } from './offered-tools.ts';
import { failureOf, resultOf } from './result.ts';
import { type CallLimits, type EnterCluster, RunningCalls } from './running-calls.ts';
import { asData } from './untrusted.ts';

/** The doors a call can come through, `schedule` where its time came; the name goes into the record of the call. */
type Door = 'streamable-http' | 'stateless' | 'sse' | 'stdio' | 'schedule';

/** Who is at a door, and which clusters it was opened to. */
export interface Caller {
  principal: Principal;
  door: Door;
  directory: ClusterDirectory;
  /** The request came with X-MCP-Readonly. */
  readOnly?: boolean | undefined;
  /** Those of X-MCP-Toolsets: of what is switched on, nothing else is offered. */
  toolsets?: ReadonlySet<Toolset> | undefined;
  /** What the record calls the door's session, which is not its id: an id in a file must open nothing. */
  session?: string | undefined;
  /** What was approved for a call that the service itself starts; no door sets it. */
  standing?: StandingApproval | undefined;
}

export interface CallOptions {
  /** Aborted when the client cancels or goes away. */
  signal: AbortSignal;
  progress?: ((update: Progress) => void) | undefined;
  /** Puts a plan to the person at the client; absent where the client can't. */
  ask?: AskPerson | undefined;
  /**
   * Nobody asked just now: the service looks at something again and again for a caller. What goes well or badly is no
   * news to the log, and takes nothing from the calls per minute; how often that happens is bounded elsewhere.
   */
  isRoutine?: boolean;
  /** `_meta.traceparent` of the request, unread (SEP-414). */
  traceparent?: unknown;
}

/** A tool's answer in MCP's form, without a type of either SDK. */
export interface ToolResult {
  [key: string]: unknown;
  content: { type: 'text'; text: string }[];
  structuredContent: Record<string, unknown>;
  isError?: boolean;
}

export interface DispatcherOptions extends OfferedToolsOptions {
  logger: Logger;
  /** That of the process; one that knows only what secrets look like where absent. */
  redaction?: Redaction | undefined;
  /** Gives each call its id; injected so that tests can name them. */
  newId: () => string;
  /** Counts calls; nobody does where absent. */
  observer?: Observer | undefined;
  /** Traces calls; absent where it is off. */
  tracing?: Tracing | undefined;
  /** Epoch milliseconds. */
  clock?: () => number;
  /** The limit of a call whose tool names none, in seconds. */
  deadlineSeconds?: number;
  /** How many calls may run at once; the next one is refused. */
  callLimits?: CallLimits;
  /** What the policy lets a principal do; read anew for each call. */
  limitsOf?: (principal: Principal) => { callsPerMinute?: number | undefined };
  /** Where several replicas serve, the one that they share. */
  callRate?: CallCounter | undefined;
  /** Between two looks at a resource that somebody has subscribed to. */
  watchPauseMs?: number;
  /** Signs what a client brings back with a person's answer; one for all processes that serve the same clients. */
  stateKey?: Uint8Array;
}

/** A reading that is no tool call. */
export interface Look {
  /** The tool that would show the same: who may not use that sees nothing. */
  tool: string;
  /** The most it may take. */
  seconds: number;
  signal: AbortSignal;
}

interface RunOptions extends Pick<CallOptions, 'progress' | 'ask'> {
  deadline: Deadline;
  enter: EnterCluster;
}

/** What is known of a call while it runs. */
interface CallState {
  readonly requestId: string;
  readonly tool: Tool;
  /** Says of each line whose call it belongs to. */
  readonly log: Logger;
  cluster: string | undefined;
  /** How its first cluster was chosen, for the line of its end. */
  chosen: Chosen | undefined;
}

interface Chosen {
  cluster: string;
  selected_by: string;
  matched: string | undefined;
}

/**
 * What every door leads to: lists tools and runs them, and knows no SDK. A call that fails in any way still gives a
 * result; only an unknown tool is a protocol error.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #offered: OfferedTools;
  /** Who is told when a list of tools becomes another one. */
  readonly listChanges = new ListChanges((directory) => ({
    tools: this.#offered.all(directory),
    clusters: directory.list().map(({ name }) => name),
  }));
  /** Who is told when an alert comes, gets worse and ends. */
  readonly alertNews = new AlertNews(({ principal, readOnly, directory }) =>
    this.#options.gate.alerts(directory.list(), { principal, readOnly, tool: 'list_alerts' }),
  );
  /** Resources, prompts and completions; they reach the clusters through this. */
  readonly beside: BesideTools;
  readonly stateKey: Uint8Array;
  readonly #running: RunningCalls;
  /** To end those whose caller is no longer let in. */
  readonly #underWay = new Slab<{ deadline: Deadline; principal: Principal }>();
  readonly #redaction: Redaction;
  readonly #rate: CallCounter;
  readonly #observer: Observer;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#observer = options.observer ?? UNOBSERVED;
    this.beside = new BesideTools(this, options.watchPauseMs);
    this.stateKey = options.stateKey ?? randomBytes(32);
    this.#redaction = options.redaction ?? new Redaction();
    this.#running = new RunningCalls(options.callLimits);
    this.#rate = options.callRate ?? new CallRate();
    this.#offered = new OfferedTools(options);
  }

  /** The tools as this caller sees them: those that are of no use to the principal are not among them. */
  listTools(caller: Omit<Caller, 'door'>): readonly ToolListing[] {
    return this.#offered.list(caller);
  }

  /** @throws UnknownToolError */
  async callTool(name: string, args: unknown, caller: Caller, options: CallOptions): Promise<ToolResult> {
    const tool = this.#found(name, caller);
    const outer = currentRequest();
    // What is looked at again and again belongs neither to the request that asked for it first, nor to its trace.
    const { isRoutine = false, traceparent } = options;
    const requestId = (isRoutine ? undefined : outer?.requestId) ?? this.#options.newId();
    const about = { tool: tool.name, door: caller.door, isRoutine };
    const span = callSpan(this.#options.tracing, about, traceparent, outer?.span);
    // Most calls are all of their request.
    if (requestId === outer?.requestId && span === outer.span) return this.#call(tool, args, caller, options);
    return inRequest({ requestId, span }, () => this.#call(tool, args, caller, options));
  }

  async #call(tool: Tool, args: unknown, caller: Caller, options: CallOptions): Promise<ToolResult> {
    const startedAt = this.#now();
    const { principal, door } = caller;
    const about = { tool: tool.name, door, isRoutine: options.isRoutine === true };
    const ended = measured(this.#observer, about);
    const state = this.#begin(tool, caller, options.isRoutine ? { level: 'error' } : undefined);
    const { log } = state;
    const deadline = new Deadline(options.signal);
    const place = this.#underWay.add({ deadline, principal });
    try {
      if (!options.isRoutine) {
        // Nothing is waited for where this process alone counts.
        const counted = this.#rate.take(principal.id, this.#options.limitsOf?.(principal).callsPerMinute);
        if (counted !== undefined) await counted;
      }
      const result = await this.#running.run(principal.id, (enter) =>
        this.#run(tool, args, caller, { ...options, deadline, enter }, state),
      );
      log.info({ ...state.chosen, outcome: 'ok', duration_ms: this.#now() - startedAt }, 'tool call');
      ended('ok', state.cluster, result);
      return result;
    } catch (thrown) {
      const error = toCallError(thrown);
      const cause = error.code === 'INTERNAL' ? thrown : undefined;
      const durationMs = this.#now() - startedAt;
      log.warn({ ...state.chosen, outcome: error.code, duration_ms: durationMs, err: cause }, 'tool call');
      const failure = failureOf(error, state.cluster, this.#redaction);
      ended(error.code, state.cluster, failure);
      return failure;
    } finally {
      deadline[Symbol.dispose]();
      this.#underWay.remove(place);
    }
  }

  /** @throws UnknownToolError; the name is the caller's text, and counted without it */
  #found(name: string, caller: Caller): Tool {
    try {
      return this.#offered.find(name, caller);
    } catch (error) {
      this.#observer.unknownTool(caller.door);
      throw error;
    }
  }

  /** How many calls are under way. */
  get callsRunning(): number {
    return this.#running.size;
  }

  /** Whether a caller is shown this tool. */
  offers(name: string, caller: Caller): boolean {
    return this.#offered.offers(name, caller);
  }

  /** The clusters this caller sees, in the order of the configuration. */
  clusterNames({ principal, readOnly, directory }: Caller): string[] {
    const asking = { principal, readOnly, tool: 'list_clusters' };
    const seen = directory.list().filter((cluster) => this.#options.gate.sees(cluster, asking));
    return seen.map(({ name }) => name);
  }

  /**
   * Reads something for a caller that is no tool call, such as what to suggest: through the gate, as the tool that
   * would show the same. It counts among the calls at work, and not against the calls per minute: a client asks for
   * suggestions with each key.
   *
   * @returns what `work` gives, with nothing hidden and no secret in it
   * @throws CallError; UnknownToolError where that tool is not switched on
   */
  async look<T extends Record<string, unknown>>(
    caller: Caller,
    { tool, seconds, signal }: Look,
    work: (context: ToolContext) => Promise<T>,
  ): Promise<T> {
    const { principal } = caller;
    const known = this.#offered.find(tool, caller);
    this.#offered.requireUse(known, principal);
    const state = this.#begin(known, caller, { level: 'warn' });
    return this.#running.run(principal.id, async (enter) => {
      using deadline = new Deadline(signal, seconds);
      using directory = new HeldClusters(caller.directory);
      const options = { deadline, enter, planHandle: undefined };
      const context = this.#context({ ...caller, directory }, options, state);
      return asData(await deadline.race(work(context)), this.#redaction).structured as T;
    });
  }

  #begin(tool: Tool, { principal: { subject }, door }: Caller, logging?: { level: string }): CallState {
    const requestId = currentRequest()?.requestId ?? this.#options.newId();
    const about = { request_id: requestId, subject, tool: tool.name, door };
    return {
      requestId,
      tool,
      log: this.#options.logger.child(about, logging),
      cluster: undefined,
      chosen: undefined,
    };
  }

  /** Cancels the calls under way of such callers: a door may go on with a call whose request was cut. */
  cancelWhere(ends: (principal: Principal) => boolean): void {
    for (const { deadline, principal } of this.#underWay) if (ends(principal)) deadline.cancel();
  }

  /** Waits for the calls under way, `milliseconds` at most; for the drain at the end of the process. */
  settled(milliseconds: number): Promise<void> {
    return this.#running.settled(milliseconds);
  }

  async #run(
    tool: Tool,
    args: unknown,
    caller: Caller,
    options: RunOptions,
    state: CallState,
  ): Promise<ToolResult> {
    this.#offered.requireUse(tool, caller.principal);
    const call = prepare(tool, args);
    const { deadline } = options;
    deadline.limit(call.deadlineSeconds ?? this.#options.deadlineSeconds ?? 60);
    // Until the call is over, its clusters stay open: a reload may put others in their place meanwhile.
    using directory = new HeldClusters(caller.directory);
    const { planHandle } = call;
    const context = this.#context({ ...caller, directory }, { ...options, planHandle }, state);
    return resultOf(await deadline.race(call.run(context)), this.#redaction);
  }

  #context(
    { principal, door, session, directory, readOnly, standing }: Caller,
    { progress, deadline, enter, ask, planHandle }: RunOptions & { planHandle: string | undefined },
    state: CallState,
  ): ToolContext {
    const { gate } = this.#options;
    const { requestId, tool, log } = state;
    const origin = {
      principal,
      requestId,
      tool: tool.name,
      door,
      session,
      readOnly,
      signal: deadline,
      log,
      enter,
      ask,
      planHandle,
      standing,
    };
    const open = (selection: Selection): GatedCluster => gate.open(selection, origin);
    const seen = () => directory.list().filter((cluster) => gate.sees(cluster, origin));
    const decided = (selection: Selection): GatedCluster => {
      const { cluster, selectedBy, matched } = selection;
      state.cluster = cluster.name;
      const chosen = { cluster: cluster.name, selected_by: selectedBy, matched };
      if (state.chosen === undefined) state.chosen = chosen;
      else log.info(chosen, 'cluster selected');
      return open(selection);
    };
    return {
      cluster: (wanted) => {
        const target = typeof wanted === 'object' ? wanted : { cluster: wanted };
        return decided(judged(log, () => select(directory, target, tool.withoutCluster === 'any')));
      },
      claimant: (target) => {
        const selection = judged(log, () => directory.claim(target));
        return selection && decided(selection);
      },
      found: (cluster) => decided({ ...directory.select({ cluster }), selectedBy: 'lookup' }),
      fleet: (name) => {
        const clusters = name === undefined ? seen() : [];
        if (clusters.length > 1) {
          log.info({ clusters: clusters.length, selected_by: 'all' }, 'clusters selected');
          return { clusters: clusters.map((cluster) => open({ cluster, selectedBy: 'any' })), isAll: true };
        }
        const [only] = clusters;
        const one = only && decided({ cluster: only, selectedBy: 'single' });
        return { clusters: [one ?? decided(directory.select({ cluster: name }))], isAll: false };
      },
      clusters: () => {
        const clusters = seen();
        // Says why there is none.
        if (clusters.length === 0) gate.requireSight(directory.list(), origin);
        return clusters;
      },
      defaultCluster: () => directory.defaultCluster,
      jobs: (filter) => gate.jobs(directory.list(), origin).list(filter),
      alerts: () => gate.alerts(directory.list(), origin),
      tenants: () => gate.tenants(principal),
      runs: () => gate.runs(principal),
      schedules: () => gate.schedules(origin),
      // A signal of Node's own for who asks for one: few tools do.
      get signal() {
        return deadline.signal;
      },
      progress: (update) => progress?.(this.#safe(update)),
      sleep: (milliseconds) => deadline.sleep(milliseconds),
      now: () => this.#now(),
    };
  }

  #safe({ message, ...update }: Progress): Progress {
    return message === undefined ? update : { ...update, message: this.#redaction.text(visible(message)) };
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
