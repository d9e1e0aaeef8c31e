import { Approvals } from '../../src/access/approvals/approvals.ts';
import type { Policy } from '../../src/access/policy/policy.ts';
import { openState } from '../../src/access/state.ts';
import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import { riskOfCall } from '../../src/catalogue/risk.ts';
import type { Risk } from '../../src/catalogue/types.ts';
import { Redaction } from '../../src/observability/redaction.ts';
import type { HttpMethod } from '../../src/proxmox/call.ts';
import type { Tool } from '../../src/tools/define.ts';
import { TOOLS } from '../../src/tools/registry.ts';
import { SILENT } from './engine-fixtures.ts';
import {
  type Answer,
  type ConnectOptions,
  type GuardedClient,
  type GuardedOptions,
  GuardedService,
} from './guarded-service.ts';
import { policyOf } from './policy.ts';
import { preparedReplications } from './prepared-replication.ts';
import type { ToolArguments } from './tool-calls/table.ts';
import { TOOL_CALLS } from './tool-calls.ts';
import { type Arrived, ToolEstate } from './tool-estate.ts';

export const NO_APPROVAL = { change: 'none', secret: 'none', destroy: 'none', execute: 'none', bulk: 'none' };

/** Everything is granted to everybody, and nothing needs an approval. */
export const ALL_RIGHTS = policyOf({
  principals: [{ match: { subject: '*' }, roles: 'admin' }],
  approval: NO_APPROVAL,
});

/** What a tool's call came to. */
export interface ToolRun {
  answer: Answer;
  arrived: Arrived[];
  /** Of these what is more than a read: no GET, or one that fetches a secret or works inside of a guest. */
  acts: Arrived[];
  /** Of these what is no GET, as `METHOD /path`. */
  writes: string[];
}

/** What the service itself asks of a cluster for whatever call. */
const OWN_READS = new Set(
  ['/version', '/cluster/status', '/cluster/resources', '/access/permissions'].map((path) => `GET ${path}`),
);

/** Where the server of a node keeps an upload: it says so to itself. */
const FILE_OF_UPLOAD = 'tmpfilename';

/** The whole service over `ToolEstate`, with a policy that a test changes. */
export class ToolSite {
  readonly estate: ToolEstate;
  readonly guarded: GuardedService;
  readonly #live: LivePolicy;
  readonly #catalogue: Catalogue;

  private constructor(
    { estate, guarded }: Pick<ToolSite, 'estate' | 'guarded'>,
    live: LivePolicy,
    catalogue: Catalogue,
  ) {
    this.estate = estate;
    this.guarded = guarded;
    this.#live = live;
    this.#catalogue = catalogue;
  }

  static async start(options: GuardedOptions & { estate?: ToolEstate; policy?: Policy } = {}) {
    const { estate = await ToolEstate.start(), policy = ALL_RIGHTS, ...rest } = options;
    const live = livePolicy(policy);
    const guarded = await GuardedService.start(estate.simulator, {
      configOf: (cluster) => estate.configOf(cluster),
      ...rest,
      gateOptions: {
        policy: live,
        approvals: ownPlansGranted(live),
        schedules: preparedReplications(),
        ...rest.gateOptions,
      },
    });
    // From now on the descriptions of the API are known.
    const [first] = await Promise.all(guarded.manager.list().map((cluster) => cluster.catalogue()));
    if (first === undefined) throw new Error('the estate has no cluster');
    return new ToolSite({ estate, guarded }, live, first);
  }

  connect(options?: ConnectOptions): Promise<GuardedClient> {
    return this.guarded.connect(options);
  }

  use(policy: Policy): void {
    this.#live.use(policy);
  }

  /** The estate as it was prepared, also as the service knows it. */
  reset(): void {
    this.estate.reset();
    for (const cluster of this.guarded.manager.list()) cluster.changed();
  }

  /** Calls a tool on the prepared estate, with the arguments of `TOOL_CALLS` where none are given. */
  async run(client: GuardedClient, tool: string, args = argumentsOf(tool)): Promise<ToolRun> {
    this.reset();
    const answer = await client.call(tool, { ...args });
    const arrived = this.estate.arrived();
    const acts = arrived.filter(
      (one) => one.method !== 'GET' || this.risksOf(one).some((risk) => risk !== 'read'),
    );
    const writes = acts.filter(({ method }) => method !== 'GET').map(lineOf);
    return { answer, arrived, acts, writes };
  }

  /** Of what arrived, by what the cluster itself says of its API. */
  risksOf(request: Arrived): readonly Risk[] {
    return riskOfCall(request.method as HttpMethod, this.templateOf(request), request.params).risks;
  }

  /** The path as the API describes it, or as it is where that knows none. */
  templateOf(request: Arrived): string {
    const found = this.#catalogue.match(request.method as HttpMethod, pathOf(request));
    return found?.method.path ?? pathOf(request);
  }

  /** What of these requests a tool's `calls` do not name. */
  undeclared({ calls }: Tool, requests: readonly Arrived[]): string[] {
    // It calls any method, or none.
    if (calls.length === 0) return [];
    return requests.flatMap((request) => {
      if (isOwnRead(request)) return [];
      const path = this.templateOf(request);
      const declared = calls.filter(([method, template]) => method === request.method && template === path);
      if (declared.length === 0) return [lineOf(request)];
      const known = new Set([
        FILE_OF_UPLOAD,
        ...declared.flatMap(([, , ...names]) => names.flatMap(nameAndSeries)),
      ]);
      const others = Object.keys(request.params).filter(
        (name) => !nameAndSeries(name).some((one) => known.has(one)),
      );
      return others.length === 0 ? [] : [`${lineOf(request)} with ${others.join(', ')}`];
    });
  }

  async close(): Promise<void> {
    await this.guarded.close();
    await this.estate.close();
  }
}

/** Of the table; a tool that has none fails the test. */
export function argumentsOf(tool: string): ToolArguments {
  const args = TOOL_CALLS[tool];
  if (args === undefined) throw new Error(`test/support/tool-calls/ has no call of ${tool}`);
  return args;
}

/** Writes nothing itself, and has the service do so later. */
export const WRITES_LATER: ReadonlySet<string> = new Set(['save_cluster_replication']);

/** Asks once on each of two clusters: what the second half sends has a name only once the first is done. */
export const IN_HALVES: ReadonlySet<string> = new Set(['failback']);

/** Tools that may write. */
export const WRITING: readonly Tool[] = TOOLS.filter(({ annotations }) => !annotations.readOnlyHint);

function pathOf({ path }: { path: string }): string {
  return path.replace('/api2/json', '');
}

/** With every segment decoded: the same path as a plan shows it. */
export function lineOf(request: { method: string; path: string }): string {
  return `${request.method} ${decodeURIComponent(pathOf(request))}`;
}

/** Whether the service asks this for itself, and for no tool in particular. */
export function isOwnRead(request: Arrived): boolean {
  return OWN_READS.has(lineOf(request)) || request.path.startsWith('/pve-docs/');
}

/** One of a series, such as scsi0, is declared for all. */
function nameAndSeries(name: string): string[] {
  return [name, name.replace(/\d+$/, '#')];
}

type LivePolicy = Policy & { use(policy: Policy): void; asksFor(): boolean };

/** A tool that wants its plan to be seen also where no policy asks for one gets it through, as if somebody had looked. */
function ownPlansGranted(policy: LivePolicy): Approvals {
  const redaction = new Redaction();
  const approvals = new Approvals({ state: openState(undefined), logger: SILENT, redaction });
  const requireApproval = approvals.require.bind(approvals);
  return Object.assign(approvals, {
    require: async (...args: Parameters<Approvals['require']>) =>
      args[0].kind === 'self' && !policy.asksFor()
        ? Promise.resolve({ by: 'self', number: 0 })
        : await requireApproval(...args),
  });
}

function livePolicy(first: Policy): LivePolicy {
  let policy = first;
  let asks = false;
  return {
    decide: (asked) => {
      const decision = policy.decide(asked);
      asks ||= decision.approval !== 'none';
      return decision;
    },
    /** Whether it asked for any approval since it is in use. */
    asksFor: () => asks,
    get rules() {
      return policy;
    },
    needsGuest: (principal) => policy.needsGuest(principal),
    tenantOf: (principal) => policy.tenantOf(principal),
    tenantsFor: (principal) => policy.tenantsFor(principal),
    isProtected: (guest, cluster) => policy.isProtected(guest, cluster),
    mayUse: (principal, tool) => policy.mayUse(principal, tool),
    limitsOf: (principal) => policy.limitsOf(principal),
    describe: (principal) => policy.describe(principal),
    use: (next) => {
      policy = next;
      asks = false;
    },
  };
}
