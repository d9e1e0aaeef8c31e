import type { Gate } from '../access/gate.ts';
import { hasScope, type Principal } from '../access/principal.ts';
import type { ClusterDirectory } from '../clusters/cluster.ts';
import type { Toolset } from '../config/toolsets.ts';
import { CallError } from '../proxmox/errors.ts';
import type { Tool } from '../tools/define.ts';
import { listingOf, type ToolListing } from '../tools/registry.ts';
import type { Caller } from './dispatcher.ts';

export interface OfferedToolsOptions {
  tools: readonly Tool[];
  /** What is switched on, read anew for each call; everything where absent. */
  toolsets?: () => ReadonlySet<Toolset>;
  gate: Gate;
}

interface Listings {
  revision: number;
  tools: readonly ToolListing[];
}

interface Views {
  /** By the principal as its credential was read: who comes with another one is another object. */
  readonly byPrincipal: WeakMap<Principal, View>;
  /** By the names that are in it. */
  readonly byNames: Map<string, readonly ToolListing[]>;
}

/** What a principal saw, and under which rules: they are other objects after a reload. */
interface View {
  rules: object;
  toolsets: ReadonlySet<Toolset> | undefined;
  tools: readonly ToolListing[];
}

/** Combinations of tools that are kept: clients choose toolsets by a header, and must not fill the memory with them. */
const MOST_VIEWS = 64;

/** The JSON-RPC error of a call to a tool that does not exist (MCP, "Tools", error handling). */
export class UnknownToolError extends Error {
  override readonly name = 'UnknownToolError';
}

/** Which tools there are for whom: by the toolsets that are switched on, by those a client wants, and by the policy. */
export class OfferedTools {
  readonly #options: OfferedToolsOptions;
  readonly #byName: ReadonlyMap<string, Tool>;
  readonly #listings = new WeakMap<ClusterDirectory, Listings>();
  /** What was seen of a list of all tools. */
  readonly #views = new WeakMap<readonly ToolListing[], Views>();

  constructor(options: OfferedToolsOptions) {
    this.#options = options;
    this.#byName = new Map(options.tools.map((tool) => [tool.name, tool]));
  }

  /**
   * The tools as this caller sees them: those that are of no use to the principal are not among them. The same array for
   * all who see the same, so that what is made of it can be kept.
   */
  list(caller: Omit<Caller, 'door'>): readonly ToolListing[] {
    const all = this.all(caller.directory);
    const views = this.#views.get(all) ?? { byPrincipal: new WeakMap(), byNames: new Map() };
    this.#views.set(all, views);
    const { rules } = this.#options.gate;
    const toolsets = this.#options.toolsets?.();
    const seen = views.byPrincipal.get(caller.principal);
    const isHeld = seen?.rules === rules && seen.toolsets === toolsets && caller.toolsets === undefined;
    if (isHeld) return seen.tools;
    const visible = all.filter(({ name }) => this.offers(name, caller));
    const names = visible.map(({ name }) => name).join();
    const tools = views.byNames.get(names) ?? visible;
    if (views.byNames.size < MOST_VIEWS) views.byNames.set(names, tools);
    if (caller.toolsets === undefined) views.byPrincipal.set(caller.principal, { rules, toolsets, tools });
    return tools;
  }

  /** All tools for a set of clusters; made once per revision of the configuration. */
  all(directory: ClusterDirectory): readonly ToolListing[] {
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

  /** Whether a caller is shown this tool. */
  offers(name: string, caller: Omit<Caller, 'door'>): boolean {
    const tool = this.#byName.get(name);
    return tool !== undefined && this.#isOn(tool, caller) && this.#mayUse(tool, caller.principal);
  }

  /** @throws UnknownToolError for a name that no tool has, or one that is not switched on */
  find(name: string, caller: Caller): Tool {
    const tool = this.#byName.get(name);
    if (tool !== undefined && this.#isOn(tool, caller)) return tool;
    throw tool === undefined ? this.#unknown(name, caller) : this.#off(tool);
  }

  /** One that is not listed is not run either, also where it would ask no cluster. @throws CallError POLICY_DENIED */
  requireUse(tool: Tool, principal: Principal): void {
    if (this.#mayUse(tool, principal)) return;
    const { name, annotations } = tool;
    const isHeld = !annotations.readOnlyHint || hasScope(principal, 'proxmox:read');
    const lack = isHeld
      ? 'nothing that it does is granted to this token'
      : 'this token does not hold proxmox:read';
    throw new CallError('POLICY_DENIED', `${name} can't be used: ${lack}; nothing was sent.`, {
      hint: 'Use the tools that tools/list gives, or ask the operator for the right.',
    });
  }

  #isOn({ toolset, isAlwaysOn }: Tool, { toolsets }: Pick<Caller, 'toolsets'>): boolean {
    if (isAlwaysOn) return true;
    return (this.#options.toolsets?.().has(toolset) ?? true) && (toolsets?.has(toolset) ?? true);
  }

  #mayUse({ name, annotations, calls }: Tool, principal: Principal): boolean {
    return this.#options.gate.mayUse(principal, { name, readOnlyHint: annotations.readOnlyHint, calls });
  }

  #off(tool: Tool): UnknownToolError {
    const why = this.#isOn(tool, {})
      ? "this client's X-MCP-Toolsets does not name it"
      : 'MCP_TOOLSETS does not name it; the operator can add it';
    return new UnknownToolError(
      `${tool.name} belongs to the toolset ${tool.toolset}, which is not switched on: ${why}.`,
    );
  }

  #unknown(name: string, caller: Caller): UnknownToolError {
    const known = this.#options.tools.flatMap((tool) => (this.#isOn(tool, caller) ? [tool.name] : []));
    const wanted = JSON.stringify(name.slice(0, 100));
    return new UnknownToolError(`Unknown tool: ${wanted}. The tools are: ${known.join(', ')}.`);
  }
}
