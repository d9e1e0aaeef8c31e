import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { CORES } from './upstream.ts';

/** What is loaded, and how. */
export interface Target {
  name: string;
  port: number;
  path: string;
  /** `session` says initialize on each connection, `sse` opens a stream for each; `plain` just sends. */
  door: 'plain' | 'session' | 'sse';
  headers: Record<string, string>;
  /** A JSON-RPC request without its id; or a fixed body. */
  message?: object;
  body?: string;
}

export type Order =
  | { do: 'open'; target: Target; connections: number }
  | { do: 'run'; name: string; milliseconds: number }
  | { do: 'hold'; target: Target; connections: number }
  | { do: 'dropped'; name: string }
  | { do: 'close'; name: string };

/** The generator of load, in a process of its own. */
export class Load implements AsyncDisposable {
  readonly child: Child;

  constructor() {
    const script = fileURLToPath(new URL('./load-generator.ts', import.meta.url));
    this.child = new Child({ args: [script], core: CORES.load });
  }

  async open(target: Target, connections: number): Promise<void> {
    await this.#order({ do: 'open', target, connections });
  }

  /** @returns answers per second */
  async run(name: string, milliseconds: number): Promise<number> {
    const { answers, ms } = (await this.#order({ do: 'run', name, milliseconds })) as {
      answers: number;
      ms: number;
    };
    return (answers / ms) * 1000;
  }

  /** Opens more of the same, and leaves them idle. @returns how often the service was too busy to open one */
  async hold(target: Target, connections: number): Promise<number> {
    return Number(await this.#order({ do: 'hold', target, connections }));
  }

  /** How many of what is held the service has closed. */
  async dropped(name: string): Promise<number> {
    return Number(await this.#order({ do: 'dropped', name }));
  }

  async close(name: string): Promise<void> {
    await this.#order({ do: 'close', name });
  }

  async #order(order: Order): Promise<unknown> {
    const { ok, error } = (await this.child.ask(order)) as { ok?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return ok;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}
