import type { ApiKey } from '../access/api-keys.ts';
import type { Credentials } from '../access/credentials.ts';
import { columns } from './columns.ts';
import { withCredentials } from './credential-store.ts';
import { instant, readDuration } from './duration.ts';
import { usageError } from './failure.ts';
import type { AddOptions, RotateOptions } from './keys.ts';
import { print, printAside, printJson } from './output.ts';
import { readScopes, readSubject } from './scopes.ts';

/** Makes a key; it stands alone on standard output. */
export async function runAdd(options: AddOptions): Promise<void> {
  const scope = readScopes(options.scope);
  const lifetimeSeconds = readDuration('--lifetime', options.lifetime, 1);
  const subject = readSubject(options.subject);
  await withCredentials('keys add', async ({ apiKeys, revocations }) => {
    const issuedAt = revocations.firstValidSecond(subject);
    show(await apiKeys.add(subject, scope, lifetimeSeconds, issuedAt), options.json);
  });
}

export async function runList({ json }: { json?: boolean }): Promise<void> {
  await withCredentials('keys list', ({ apiKeys, revocations }) => {
    const keys = apiKeys.list().map((key) => ({
      id: key.id,
      subject: key.subject,
      scope: key.scope,
      expires_at: instant(key.expiresAt),
      state: apiKeys.stateOf(key, revocations),
    }));
    if (json) return printJson({ keys });
    if (keys.length === 0)
      return printAside('There is no API key yet: proxmox-mcp keys add --subject <name>');
    print(
      columns(
        ['ID', 'SUBJECT', 'EXPIRES', 'STATE', 'SCOPE'],
        keys.map((key) => [key.id, key.subject, key.expires_at, key.state, key.scope]),
      ),
    );
  });
}

export async function runRotate(id: string, options: RotateOptions): Promise<void> {
  const lifetimeSeconds = readDuration('--lifetime', options.lifetime, 1);
  const overlapSeconds = readDuration('--overlap', options.overlap, 0);
  await withCredentials('keys rotate', async ({ apiKeys, revocations }) => {
    const old = known({ apiKeys }, id);
    const state = apiKeys.stateOf(old, revocations);
    // A new key in place of one that was taken away would give it back.
    if (state !== 'valid')
      throw usageError(`The key ${id} is ${state}.`, 'Make another one with: proxmox-mcp keys add');
    const made = await apiKeys.rotate(
      id,
      lifetimeSeconds,
      overlapSeconds,
      revocations.firstValidSecond(old.subject),
    );
    show(made, options.json);
    const until = apiKeys.find(id)?.expiresAt;
    if (until !== undefined) printAside(`The key ${id} is valid until ${instant(until)}.`);
  });
}

export async function runRevoke(id: string): Promise<void> {
  await withCredentials('keys revoke', async ({ apiKeys, revocations }) => {
    await revocations.revoke({ credential: `key:${known({ apiKeys }, id).id}` });
    printAside(`Revoked ${id}.`);
  });
}

function known({ apiKeys }: Pick<Credentials, 'apiKeys'>, id: string): ApiKey {
  // The audit log writes `key:<id>`; a whole key on a command line must not come back in a message.
  const bare = id.replace(/^key:/, '');
  const key = /^[0-9a-f]{12}$/.test(bare) ? apiKeys.find(bare) : undefined;
  if (key) return key;
  throw usageError('There is no such API key.', 'An id has 12 characters; see: proxmox-mcp keys list');
}

function show({ record, key }: { record: ApiKey; key: string }, json: boolean | undefined): void {
  const { id, subject, scope, expiresAt } = record;
  if (json) {
    printJson({ key, id, subject, scope, expires_at: instant(expiresAt) });
    return;
  }
  print(key);
  printAside(`${scope} for ${subject}, valid until ${instant(expiresAt)}. It is not shown again.`);
  printAside(
    `Send it as Authorization: Bearer <key>, or as X-API-Key. Revoke it with: proxmox-mcp keys revoke ${id}`,
  );
}
