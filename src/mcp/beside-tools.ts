import { visible } from '../proxmox/text.ts';
import { type CompletionRequest, Completions } from './completions.ts';
import type { Caller, Dispatcher } from './dispatcher.ts';
import { instructionsFor } from './identity.ts';
import { PROMPTS, type Prompt, promptText, unknownPrompt } from './prompts.ts';
import { INVALID_PARAMS, ProtocolProblem } from './protocol-problem.ts';
import { Resources } from './resources.ts';
import { SessionWatches } from './session-watches.ts';
import { WatchedResources } from './watched-resources.ts';

interface PromptRequest {
  name: string;
  arguments?: Record<string, string> | undefined;
}

/** A symptom may be told at length; more than that is no argument. */
const LONGEST_ARGUMENT = 4000;

/** What every server announces. The list of prompts is the same for ever; the resources are what is configured. */
export const CAPABILITIES = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: {},
  completions: {},
};
/** Of servers whose conversation lasts: they tell of alerts. Revision 2026-07-28 has no stream for log messages. */
export const LASTING_CAPABILITIES = { ...CAPABILITIES, logging: {} };

/** What clients are given beside tools; knows no SDK. */
export class BesideTools {
  readonly resources: Resources;
  readonly watched: WatchedResources;
  readonly #dispatcher: Dispatcher;
  readonly #completions: Completions;

  /** @param pauseMs between two looks at a resource that is watched */
  constructor(dispatcher: Dispatcher, pauseMs?: number) {
    this.#dispatcher = dispatcher;
    this.resources = new Resources(dispatcher);
    this.watched = new WatchedResources({
      ...(pauseMs === undefined ? {} : { pauseMs }),
      read: (uri, caller, options) => this.resources.essence(uri, caller, options),
    });
    this.#completions = new Completions(dispatcher, this.resources);
  }

  instructions(caller: Caller): string {
    return instructionsFor(this.#dispatcher.clusterNames(caller));
  }

  /** The prompts, where the caller has any tool to follow them with. */
  listPrompts(caller: Caller) {
    if (!this.#dispatcher.offers('list_clusters', caller)) return [];
    return PROMPTS.map(({ name, title, description, arguments: args }) => {
      return { name, title, description, arguments: args.map((argument) => ({ ...argument })) };
    });
  }

  /** @throws ProtocolProblem for an unknown prompt, or an argument that is missing or too long */
  getPrompt({ name, arguments: args = {} }: PromptRequest, caller: Caller) {
    const known = this.listPrompts(caller);
    const isKnown = known.some((listed) => listed.name === name);
    const prompt = PROMPTS.find((one) => isKnown && one.name === name);
    if (prompt === undefined) throw unknownPrompt(known);
    const given = argumentsOf(prompt, args);
    const text = promptText(prompt, given, (tool) => this.#dispatcher.offers(tool, caller));
    return {
      description: prompt.description,
      messages: [{ role: 'user' as const, content: { type: 'text' as const, text } }],
    };
  }

  /** @throws ProtocolProblem */
  complete(asked: CompletionRequest, caller: Caller, signal: AbortSignal) {
    return this.#completions.complete(asked, caller, signal);
  }

  /** @param changed tells the client of a session or stream that this resource is another one */
  watches(changed: (uri: string) => void): SessionWatches {
    return new SessionWatches(this.watched, changed);
  }
}

/** Those that the prompt has, as a person sees them: each stands in one line of the text. */
function argumentsOf(prompt: Prompt, args: Readonly<Record<string, string>>): Record<string, string> {
  const given: Record<string, string> = {};
  for (const { name, description, required } of prompt.arguments) {
    const value = Object.hasOwn(args, name) ? visible(args[name] ?? '').trim() : '';
    if (value.length > LONGEST_ARGUMENT) {
      throw new ProtocolProblem(
        INVALID_PARAMS,
        `The argument ${name} of ${prompt.name} is longer than ${LONGEST_ARGUMENT} characters.`,
      );
    }
    if (value !== '') given[name] = value.replace(/\s+/g, ' ');
    else if (required) {
      throw new ProtocolProblem(
        INVALID_PARAMS,
        `The prompt ${prompt.name} needs the argument ${name}: ${description}`,
      );
    }
  }
  return given;
}
