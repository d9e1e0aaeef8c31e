import type { z } from 'zod';
import type { VisibleAlerts } from '../access/alerts/sight.ts';
import type { GatedCluster } from '../access/gate.ts';
import type { KnownJob } from '../access/jobs/jobs.ts';
import type { JobFilter } from '../access/jobs/sight.ts';
import type { NamedTenant } from '../access/policy/policy.ts';
import type { Runs } from '../access/runs/runs.ts';
import type { Schedules } from '../access/schedules/book.ts';
import type { Cluster, Target } from '../clusters/cluster.ts';
import type { Toolset } from '../config/toolsets.ts';
import type { HttpMethod } from '../proxmox/call.ts';
import { textParam } from './params.ts';

/** All four are required, so that an author has to think about each (MCP, "Tool annotations"). */
export interface ToolAnnotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
}

/** Of a tool that only reads, and asks Proxmox for it. */
export const READS: ToolAnnotations = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: true,
};

export interface Progress {
  progress: number;
  total?: number;
  message?: string;
}

/** What a tool may use. It knows neither the transport nor the SDK. */
export interface ToolContext {
  /** Picks a cluster by the rules of DESIGN.md (a text is its name) and opens the gate to it. */
  cluster(target: string | Target | undefined): GatedCluster;
  /** The same without the default: undefined where no rule claims the guest, and it has to be looked for. */
  claimant(target: Target): GatedCluster | undefined;
  /** The cluster that a search of all found to be the one; its answers say `lookup`. */
  found(cluster: string): GatedCluster;
  /** The named cluster, or all that the caller sees where none is named, each through the gate. */
  fleet(name: string | undefined): Fleet;
  /** The clusters this caller sees, for tools that speak of the estate itself. */
  clusters(): readonly Cluster[];
  defaultCluster(): string | undefined;
  /** The tasks that this service started, newest first, as far as the caller may know of them; asks no cluster. */
  jobs(filter: JobFilter): readonly KnownJob[];
  /** What this service found wrong by watching, as far as the caller may know of it; asks no cluster. */
  alerts(): VisibleAlerts;
  /** The tenants of the policy that the caller may know of. @throws CallError POLICY_DENIED where it may of none */
  tenants(): readonly NamedTenant[];
  /** Work of several writes that this caller has begun, for tools that go on where a call or a process ended. */
  runs(): Runs;
  /** What this caller has the service do again and again. */
  schedules(): Schedules;
  /** Aborted when the client cancels or the call's deadline passes. */
  signal: AbortSignal;
  /** Tells the client how far the work is; does nothing where the client did not ask. */
  progress(update: Progress): void;
  /** Waits; rejects with the signal's reason when the call is cancelled. */
  sleep(milliseconds: number): Promise<void>;
  /** Epoch milliseconds. */
  now(): number;
}

/** Some clusters at once. */
export interface Fleet {
  clusters: readonly GatedCluster[];
  /** Whether these are all: then each row of the answer names its cluster. */
  isAll: boolean;
}

/**
 * What happens where several clusters exist and a call names none: the default one, the one that its guest points to
 * (pattern, VMID map, then the default), the one where its guest is found (`guestTarget`), all of them, or any.
 */
type WithoutCluster = 'default' | 'guest' | 'lookup' | 'all' | 'any';

/** A method, its path template, and the names of the parameters a tool sends beside those of the path. */
export type ApiCall = readonly [method: HttpMethod, path: string, ...parameters: string[]];

export interface ToolDefinition<Input extends z.ZodObject, Output extends z.ZodObject> {
  name: string;
  title: string;
  description: string;
  toolset: Toolset;
  /** Whether MCP_TOOLSETS has no say: no assistant can do without it. */
  isAlwaysOn?: boolean;
  annotations: ToolAnnotations;
  /** Every API method this tool may call, for the README and `check:schema`; empty for what calls none or any. */
  calls: readonly ApiCall[];
  /** `default` where absent. */
  withoutCluster?: WithoutCluster;
  input: Input;
  output: Output;
  /** The longest this call may take with these arguments, in seconds; the dispatcher's default where absent. */
  deadlineSeconds?(args: z.output<Input>): number | undefined;
  run(args: z.output<Input>, context: ToolContext): Promise<z.output<Output>>;
  /** One or two sentences for clients that show text. */
  summary(result: z.output<Output>): string;
}

/** A tool whose types have been checked where it was defined, as the registry and the dispatcher hold it. */
export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly toolset: Toolset;
  readonly isAlwaysOn: boolean;
  readonly annotations: ToolAnnotations;
  readonly calls: readonly ApiCall[];
  readonly withoutCluster: WithoutCluster;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  /**
   * Validates, then returns the work to be done.
   * @throws ZodError when the arguments do not fit.
   */
  prepare(args: unknown): PreparedCall;
}

export interface PreparedCall {
  deadlineSeconds: number | undefined;
  /** Of the plan that the caller applies with this call. */
  planHandle: string | undefined;
  run(context: ToolContext): Promise<ToolAnswer>;
}

interface ToolAnswer {
  structured: Record<string, unknown>;
  summary: string;
}

/** No word about it: the refusal that hands one out says what it is for, and each word would stand in every tool. */
const handleParam = textParam().optional();

/** The text tells what the cluster has that answered; that this is a fallback stands in front of it. */
function asServed<Result extends Record<string, unknown>>(result: Result): Result {
  const { served_by: fallback } = result;
  return fallback === undefined ? result : { ...result, cluster: fallback };
}

/** Defines a tool. Keep one per file; copy a neighbour to add one. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: ToolDefinition<Input, Output>,
): Tool {
  const { name, title, description, toolset, annotations, calls, input, output } = definition;
  // Whatever may write may need an approval, so the handle of a plan is no matter of the single tool.
  const whole = annotations.readOnlyHint ? input : input.extend({ handle: handleParam });
  return {
    name,
    title,
    description,
    toolset,
    isAlwaysOn: definition.isAlwaysOn ?? false,
    annotations,
    calls,
    withoutCluster: definition.withoutCluster ?? 'default',
    input: whole,
    output,
    prepare(args) {
      const { handle, ...given } = whole.parse(args);
      const parsed = given as z.output<Input>;
      return {
        planHandle: typeof handle === 'string' ? handle : undefined,
        deadlineSeconds: definition.deadlineSeconds?.(parsed),
        async run(context) {
          const structured = await definition.run(parsed, context);
          return { structured, summary: definition.summary(asServed(structured)) };
        },
      };
    },
  };
}
