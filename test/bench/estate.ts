import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

/** A simulated cluster and its entry in clusters.json. */
export interface ClusterAccess {
  name: string;
  entry: { url: string; user: string; token_id: string; token_secret: string; fingerprint: string };
}

/** How late clusters answer for their inventory, in milliseconds, by name; the others answer at once. */
export type Delays = Record<string, number>;

/** The simulated clusters of a run, in a process of their own. */
export class Estate implements AsyncDisposable {
  readonly clusters: readonly ClusterAccess[];
  readonly startMs: number;
  readonly child: Child;

  private constructor(child: Child, clusters: readonly ClusterAccess[], startMs: number) {
    this.child = child;
    this.clusters = clusters;
    this.startMs = startMs;
  }

  static async start(clusters: number, guests: number): Promise<Estate> {
    const startedAt = performance.now();
    const script = fileURLToPath(new URL('./simulated-estate.ts', import.meta.url));
    const child = new Child({ args: [script, String(clusters), String(guests)] });
    try {
      const access = (await child.message()) as ClusterAccess[];
      return new Estate(child, access, performance.now() - startedAt);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** In place of what was delayed before. */
  async delay(delays: Delays): Promise<void> {
    await this.child.ask(delays);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}
