import { fileURLToPath } from 'node:url';
import { Child } from './child.ts';
import { CORES } from './upstream.ts';

/** A server that the service is held against; see plain-server.ts. */
export class PlainServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: Child;

  private constructor(child: Child, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** @param args what that kind takes */
  static async start(
    kind: 'echo' | 'bytes' | 'read' | 'sdk-v1' | 'sdk-v2',
    ...args: readonly string[]
  ): Promise<PlainServer> {
    const script = fileURLToPath(new URL('./plain-server.ts', import.meta.url));
    const child = new Child({ args: [script, kind, ...args], core: CORES.service });
    try {
      return new PlainServer(child, Number(await child.message()));
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
