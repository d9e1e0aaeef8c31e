import { Pool } from 'undici';
import type { ClusterAccess, Estate } from './estate.ts';

/** Asks the simulated clusters without the service: what the machine allows at best. Connections are kept. */
export class DirectClient implements AsyncDisposable {
  readonly #clusters: readonly { access: ClusterAccess; pool: Pool }[];

  constructor({ clusters }: Estate) {
    this.#clusters = clusters.map((access) => ({
      access,
      pool: new Pool(`https://${access.entry.url}`, {
        connections: 1,
        connect: { rejectUnauthorized: false },
      }),
    }));
  }

  /** Reads one path of every cluster at once. */
  async readAll(path: string): Promise<unknown[]> {
    return await Promise.all(
      this.#clusters.map(async ({ access: { entry }, pool }) => {
        const authorization = `PVEAPIToken=${entry.user}!${entry.token_id}=${entry.token_secret}`;
        const { statusCode, body } = await pool.request({ method: 'GET', path, headers: { authorization } });
        if (statusCode !== 200) throw new Error(`a simulated cluster answered ${statusCode}`);
        return await body.json();
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clusters.map(({ pool }) => pool.close()));
  }
}
