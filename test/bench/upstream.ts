import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';

/** The entry of the tiny cluster in clusters.json. */
export interface UpstreamAccess {
  url: string;
  user: string;
  token_id: string;
  token_secret: string;
  fingerprint: string;
}

/** Read from it with one GET: 500 bytes of JSON. */
export const STATUS_PATH = '/nodes/pve1/status';
/** The core of the service under test, and that of everything that loads it. */
export const CORES = { service: 0, load: 1 } as const;

/** A cluster that costs next to nothing, in a process of its own. */
export class Upstream implements AsyncDisposable {
  readonly access: UpstreamAccess;
  readonly child: Child;

  private constructor(child: Child, access: UpstreamAccess) {
    this.child = child;
    this.access = access;
  }

  static async start({ guests = 2 }: { guests?: number } = {}): Promise<Upstream> {
    const script = fileURLToPath(new URL('./tiny-upstream.ts', import.meta.url));
    const child = new Child({ args: [script, String(guests)], core: CORES.load });
    try {
      return new Upstream(child, (await child.message()) as UpstreamAccess);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  get clustersFile(): { clusters: Record<string, object> } {
    return { clusters: { tiny: this.access } };
  }

  get authorization(): string {
    const { user, token_id, token_secret } = this.access;
    return `PVEAPIToken=${user}!${token_id}=${token_secret}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}
