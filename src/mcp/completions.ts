import type { Inventory } from '../clusters/inventory.ts';
import type { ToolContext } from '../tools/define.ts';
import { bridgeRows } from '../tools/inventory/default-bridge.ts';
import { CallerKeys } from './caller-keys.ts';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { lookAtInventories } from './fleet-look.ts';
import { PROMPTS, unknownPrompt } from './prompts.ts';
import { INVALID_PARAMS, ProtocolProblem } from './protocol-problem.ts';
import { variablesOf } from './resource-uri.ts';
import type { Resources } from './resources.ts';

/** What `completion/complete` asks, as both eras have it. */
export interface CompletionRequest {
  ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string };
  argument: { name: string; value: string };
  context?: { arguments?: Record<string, string> | undefined } | undefined;
}

/** What is known of the place whose values are asked for. */
interface Place {
  cluster: string | undefined;
  caller: Caller;
  signal: AbortSignal;
}

const MOST_VALUES = 100;
/** A suggestion that comes later helps nobody. */
const SECONDS = 2;
/** What is asked of clusters is kept: an inventory as long as it is kept there; bridges change seldom. */
const INVENTORY_MS = 10_000;
const KEPT_MS: Readonly<Record<string, number>> = {
  node: INVENTORY_MS,
  target: INVENTORY_MS,
  storage: INVENTORY_MS,
  guest: INVENTORY_MS,
  template: INVENTORY_MS,
  vmid: INVENTORY_MS,
  bridge: 60_000,
};
const MOST_KEPT = 100;
/** What names look like. Somebody chose them: what reads like a sentence is not put into a person's mouth. */
const SUGGESTED = /^[\p{L}\p{N}][\p{L}\p{N}._:@!+-]{0,199}$/u;
const DAYS = ['1', '2', '3', '7', '14', '30'];

/** Suggests values for the arguments of prompts and the places of resources. What can't be asked suggests nothing. */
export class Completions {
  readonly #dispatcher: Dispatcher;
  readonly #resources: Resources;
  readonly #callers = new CallerKeys();
  /** What was found for a caller: a client asks with each key that is pressed. */
  readonly #kept = new Map<string, { until: number; values: Promise<Values> }>();

  constructor(dispatcher: Dispatcher, resources: Resources) {
    this.#dispatcher = dispatcher;
    this.#resources = resources;
  }

  /** @throws ProtocolProblem for a prompt or a template that is none of ours, or an argument that it has not */
  async complete(asked: CompletionRequest, caller: Caller, signal: AbortSignal) {
    const { argument, context } = asked;
    this.#requireKnown(asked, caller);
    const cluster = context?.arguments?.cluster?.trim();
    const place = { cluster: cluster === '' ? undefined : cluster, caller, signal };
    // A name that is no cluster of the caller's narrows to nothing.
    const isNone =
      place.cluster !== undefined && !this.#dispatcher.clusterNames(caller).includes(place.cluster);
    const known = isNone ? [] : await this.#known(argument.name, place).catch(() => []);
    signal.throwIfAborted();
    const fitting = ranked(known, argument.value);
    return {
      completion: {
        values: fitting.slice(0, MOST_VALUES),
        total: fitting.length,
        hasMore: fitting.length > MOST_VALUES,
      },
    };
  }

  #requireKnown({ ref, argument }: CompletionRequest, caller: Caller): void {
    const names = ref.type === 'ref/prompt' ? promptArguments(ref.name) : this.#places(ref.uri, caller);
    if (names.includes(argument.name)) return;
    const what = ref.type === 'ref/prompt' ? 'The prompt' : 'The template';
    throw new ProtocolProblem(
      INVALID_PARAMS,
      `${what} has no argument of that name; it has: ${names.join(', ')}.`,
    );
  }

  #places(template: string, caller: Caller): readonly string[] {
    if (this.#resources.kindWith(template, caller) !== undefined) return variablesOf(template);
    throw new ProtocolProblem(INVALID_PARAMS, 'No such template; see resources/templates/list.');
  }

  #known(name: string, place: Place): Promise<Values> {
    const keptMs = KEPT_MS[name];
    if (keptMs === undefined) return this.#valuesOf(name, place);
    const key = JSON.stringify([name, place.cluster, this.#callers.of(place.caller)]);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > performance.now()) return kept.values;
    // Those who ask meanwhile wait for the same, so it does not end with the one who asked first.
    const values = this.#valuesOf(name, { ...place, signal: new AbortController().signal });
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
    this.#kept.set(key, { until: performance.now() + keptMs, values });
    // What could not be asked now is asked the next time.
    values.catch(() => this.#kept.delete(key));
    return values;
  }

  async #valuesOf(name: string, place: Place): Promise<Values> {
    switch (name) {
      case 'cluster':
        return this.#dispatcher.clusterNames(place.caller);
      case 'node':
      case 'target':
        return this.#fromInventories(place, ({ nodes }) => nodes.map(({ node }) => node));
      case 'storage':
        return this.#fromInventories(place, ({ storages }) => storages.map(({ storage }) => storage));
      case 'guest':
        return this.#fromInventories(place, ({ guests }) => [
          ...guests.flatMap((guest) => guest.name ?? []),
          ...guests.map(({ vmid }) => String(vmid)),
        ]);
      case 'template':
        return this.#fromInventories(place, ({ guests }) =>
          guests.flatMap(({ template, name: called }) => (template && called !== undefined ? called : [])),
        );
      case 'vmid':
        return this.#fromInventories(place, ({ guests }) =>
          guests.map(({ vmid, name: called }) => ({ value: String(vmid), also: called ?? '' })),
        );
      case 'bridge':
        return this.#bridgesOf(place);
      case 'upid':
        return this.#upids(place);
      case 'days':
        return DAYS;
      default:
        return [];
    }
  }

  #fromInventories(place: Place, valuesOf: (inventory: Inventory) => Values): Promise<Values> {
    return lookAtInventories(this.#dispatcher, { tool: 'get_cluster_resources', ...place }, valuesOf);
  }

  /** Of the default node, or of the first that is up. */
  async #bridgesOf({ cluster, caller, signal }: Place): Promise<string[]> {
    const only = this.#dispatcher.clusterNames(caller).length === 1;
    const name = cluster ?? (only ? undefined : caller.directory.defaultCluster);
    if (name === undefined && !only) return [];
    const look = { tool: 'proxmox_api_call', seconds: SECONDS, signal };
    const { bridges } = await this.#dispatcher.look(caller, look, async (context) => ({
      bridges: await readBridges(context, name),
    }));
    return bridges;
  }

  /** Of the tasks that were started here: asks no cluster. */
  async #upids({ cluster, caller, signal }: Place): Promise<string[]> {
    const look = { tool: 'list_jobs', seconds: SECONDS, signal };
    const { upids } = await this.#dispatcher.look(caller, look, async ({ jobs }) => ({
      upids: jobs({ cluster }).map(({ upid }) => upid),
    }));
    return upids;
  }
}

type Values = readonly (string | Named)[];

/** A value that is found by another text, too: a VMID by the name of its guest. */
interface Named {
  value: string;
  also: string;
}

async function readBridges(context: ToolContext, name: string | undefined): Promise<string[]> {
  const cluster = context.cluster(name);
  const { defaultNode, defaultBridge } = cluster.settings;
  const { nodes } = await cluster.inventory();
  const node = defaultNode ?? nodes.find(({ status }) => status === 'online')?.node;
  const rows = node === undefined ? [] : await bridgeRows(cluster, node, context.signal);
  const found = rows.flatMap(({ iface }) => (typeof iface === 'string' ? iface : []));
  return defaultBridge === undefined ? found : [defaultBridge, ...found];
}

function promptArguments(name: string): string[] {
  const prompt = PROMPTS.find((known) => known.name === name);
  if (prompt === undefined) throw unknownPrompt(PROMPTS);
  return prompt.arguments.map((argument) => argument.name);
}

/** Values that begin with what was typed come before those that hold it; case counts for nothing. */
function ranked(values: Values, typed: string): string[] {
  const wanted = typed.trim().toLowerCase();
  const [first, second] = [new Set<string>(), new Set<string>()];
  for (const item of values) {
    const { value, also } = typeof item === 'string' ? { value: item, also: '' } : item;
    if (!SUGGESTED.test(value)) continue;
    const texts = [value.toLowerCase(), also.toLowerCase()];
    if (texts.some((text) => text.startsWith(wanted))) first.add(value);
    else if (texts.some((text) => text.includes(wanted))) second.add(value);
  }
  const collator = new Intl.Collator('en', { numeric: true });
  const sorted = [...first].sort(collator.compare);
  return [...sorted, ...[...second].filter((value) => !first.has(value)).sort(collator.compare)];
}
