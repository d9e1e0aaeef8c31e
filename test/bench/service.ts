import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { issueToken } from '../../src/access/tokens.ts';
import { Secret } from '../../src/config/secret.ts';
import { ServiceClient } from '../../src/mcp/client.ts';
import type { BenchContext } from './bench.ts';
import { Child } from './child.ts';
import type { Estate } from './estate.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CALL_MS = 60_000;

export interface ServiceOptions {
  /** Settings beside those of every bench. */
  env?: Record<string, string>;
  /** Put beside clusters.json, by name. */
  files?: Record<string, string>;
  core?: number;
  /** Flags of Node beside those of `npm start`. */
  preload?: readonly string[];
  /** Run in place of `src/main.ts`. */
  entry?: string;
}

/** The service under test as `npm start` runs it in production (tokens, log level info), on a free loopback port. */
export class Service implements AsyncDisposable {
  readonly child: Child;
  readonly #folder: string;
  readonly #url: URL;
  readonly token: string;
  /** Of another principal. */
  readonly tokenOf: (subject: string) => Promise<string>;
  readonly #ending = new AbortController();
  readonly #clients: ServiceClient[] = [];

  private constructor(
    child: Child,
    folder: string,
    url: URL,
    token: string,
    tokenOf: (subject: string) => Promise<string>,
  ) {
    this.child = child;
    this.#folder = folder;
    this.#url = url;
    this.token = token;
    this.tokenOf = tokenOf;
  }

  get port(): number {
    return Number(this.#url.port);
  }

  /** @param clustersFile what clusters.json holds */
  static async start(
    clustersFile: object,
    { profileFolder }: Pick<BenchContext, 'profileFolder'>,
    { env = {}, files = {}, core, preload, entry }: ServiceOptions = {},
  ): Promise<Service> {
    const folder = await mkdtemp(join(tmpdir(), 'proxmox-mcp-bench-'));
    await writeFile(join(folder, 'clusters.json'), JSON.stringify(clustersFile), { mode: 0o600 });
    for (const [name, text] of Object.entries(files))
      await writeFile(join(folder, name), text, { mode: 0o600 });
    const secret = new Secret(randomBytes(32).toString('hex'));
    const { nodeFlags, args } = await startCommand(entry);
    const child = new Child({
      args,
      cwd: folder,
      core,
      nodeFlags: [
        ...nodeFlags,
        ...(preload ?? []),
        ...(profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(profileFolder)}`]),
      ],
      env: {
        MCP_PORT: '0',
        MCP_AUTH: 'jwt',
        MCP_JWT_SECRET: secret.reveal(),
        LOG_LEVEL: 'info',
        CACHE_DIR: join(folder, 'cache'),
        MCP_RATE_LIMIT_PER_ADDRESS: '0',
        MCP_RATE_LIMIT_PER_PRINCIPAL: '0',
        ...env,
      },
    });
    try {
      const [, url = ''] = await child.shows(/"mcp":"([^"]+)"/);
      const tokenOf = (subject: string): Promise<string> =>
        issueToken(secret, {
          subject,
          scope: 'proxmox:read',
          lifetimeSeconds: 3600,
          audience: 'proxmox-mcp',
        });
      return new Service(child, folder, new URL(url), await tokenOf('bench'), tokenOf);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** A new session over Streamable HTTP, closed with the service. */
  async connect(): Promise<ServiceClient> {
    const address = { url: this.#url, token: this.token, timeoutMs: CALL_MS, signal: this.#ending.signal };
    const client = await ServiceClient.connect(address);
    this.#clients.push(client);
    return client;
  }

  /** Replaces clusters.json as editors and Kubernetes do: the old one or the new one is there, never half of one. */
  async rewrite(clustersFile: object): Promise<void> {
    const file = join(this.#folder, 'clusters.json');
    await writeFile(`${file}.new`, JSON.stringify(clustersFile), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#clients.map((client) => client.close()));
    this.#ending.abort();
    await this.child[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Of `npm start`, which has those of the image. */
export async function startFlags(): Promise<string[]> {
  return (await startCommand()).nodeFlags;
}

/** What `npm start` runs, its file made absolute: flags of Node are part of what is measured. */
async function startCommand(entry?: string): Promise<{ nodeFlags: string[]; args: string[] }> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const [, ...words] = String(scripts.start).split(' ');
  const at = words.findIndex((word) => !word.startsWith('-'));
  const [file = '', ...args] = words.slice(at);
  return { nodeFlags: words.slice(0, at), args: [entry ?? join(ROOT, file), ...args] };
}

/** A clusters.json with every cluster of the estate. @param changes what an entry holds besides */
export function clustersFile(
  { clusters }: Estate,
  changes: (name: string, position: number) => object = () => ({}),
): { clusters: Record<string, object> } {
  const entries = clusters.map(({ name, entry }, position) => [
    name,
    { ...entry, ...changes(name, position) },
  ]);
  return { clusters: Object.fromEntries(entries) };
}

/** A tool call that has to succeed. @throws Error with the tool's message where it does not */
export async function callTool(
  client: ServiceClient,
  tool: string,
  args: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const { isError, texts, structured } = await client.callTool({ tool, args });
  if (isError || structured === undefined)
    throw new Error(`${tool} failed: ${texts.join(' ').slice(0, 500)}`);
  return structured;
}
