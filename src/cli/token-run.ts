import { randomUUID } from 'node:crypto';
import { type Credentials, openCredentials } from '../access/credentials.ts';
import type { Revoked } from '../access/revocations.ts';
import type { SigningKey } from '../access/signing-keys.ts';
import { issueToken, localIssuer } from '../access/tokens.ts';
import type { Secret } from '../config/secret.ts';
import { columns } from './columns.ts';
import { type JwtAuth, loadSettings, withCredentials } from './credential-store.ts';
import { instant, readDuration } from './duration.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { print, printAside, printJson } from './output.ts';
import { readScopes, readSubject } from './scopes.ts';
import { withServiceState } from './state.ts';
import type { IssueOptions, ListOptions, RevokeOptions, RotateOptions } from './token.ts';

/** Issues a token; it stands alone on standard output. */
export async function runIssue(options: IssueOptions): Promise<void> {
  const scope = readScopes(options.scope);
  const lifetimeSeconds = readDuration('--lifetime', options.lifetime, 1);
  const subject = readSubject(options.subject);
  const { auth, kept } = loadSettings();
  const issued = await withServiceState(kept, (state) =>
    issue(openCredentials(state), auth, { ...options, subject, scope, lifetimeSeconds }),
  );
  const { jti, ...shown } =
    issued?.done ?? (await issue(undefined, auth, { ...options, subject, scope, lifetimeSeconds }));
  const isListed = issued !== undefined;
  if (options.json) return printJson(isListed ? { ...shown, jti } : shown);
  print(shown.token);
  printAside(`${scope} for ${subject}, valid until ${shown.expires_at}.`);
  if (isListed) printAside(`Revoke it with: proxmox-mcp token revoke ${jti}`);
}

type Wanted = Pick<IssueOptions, 'alg'> & { subject: string; scope: string; lifetimeSeconds: number };

/** @param credentials where it is remembered; undefined where nothing is */
async function issue(
  credentials: Credentials | undefined,
  auth: JwtAuth,
  { alg, subject, scope, lifetimeSeconds }: Wanted,
) {
  const signer = await signerOf(auth, credentials, alg);
  const issuedAt = credentials?.revocations.firstValidSecond(subject) ?? Math.floor(Date.now() / 1000);
  const jti = randomUUID();
  const token = await issueToken(signer, {
    subject,
    scope,
    lifetimeSeconds,
    audience: auth.audience,
    issuer: localIssuer(auth) || undefined,
    issuedAt,
    jti,
  });
  const expiresAt = issuedAt + lifetimeSeconds;
  const kid = 'kid' in signer ? { kid: signer.kid } : {};
  await credentials?.issued.add({ jti, ...kid, subject, scope, issuedAt, expiresAt });
  return { token, subject, scope, expires_at: instant(expiresAt), jti };
}

/** Lists what was issued, and the keys. */
export async function runList({ subject, json }: ListOptions): Promise<void> {
  await withCredentials('token list', ({ issued, revocations, keys }) => {
    const tokens = issued.list(subject).map((token) => ({
      jti: token.jti,
      subject: token.subject,
      scope: token.scope,
      expires_at: instant(token.expiresAt),
      state: issued.stateOf(token, revocations, keys),
      ...(token.kid === undefined ? {} : { kid: token.kid }),
    }));
    if (json) return printJson({ tokens });
    if (tokens.length === 0) {
      printAside(
        subject === undefined ? 'No token was issued here yet.' : `No token was issued here for ${subject}.`,
      );
      return printAside(
        'Tokens issued without this STATE_FILE or REDIS_URL are not listed; `token revoke --subject` ends them all the same.',
      );
    }
    print(
      columns(
        ['JTI', 'SUBJECT', 'EXPIRES', 'STATE', 'SCOPE'],
        tokens.map((token) => [token.jti, token.subject, token.expires_at, token.state, token.scope]),
      ),
    );
  });
}

/** Revokes one token, those of a subject, or all. */
export async function runRevoke(jti: string | undefined, { subject, all }: RevokeOptions): Promise<void> {
  const given = [jti, subject, all || undefined].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw usageError(
      'Say which: a token by its jti, --subject <name>, or --all.',
      'See: proxmox-mcp token list',
    );
  }
  await withCredentials('token revoke', async ({ revocations, issued }) => {
    const what = revokedOf(jti, subject);
    const known = 'subject' in what ? issued.list(what.subject).length : 0;
    await revocations.revoke(what);
    if ('all' in what) return printAside('Revoked every token and API key that exists now.');
    if ('subject' in what) {
      const ofThem = known === 0 ? 'None of its tokens is listed here' : `Tokens of it listed here: ${known}`;
      return printAside(`Revoked every token and API key that ${what.subject} has now. ${ofThem}.`);
    }
    const name = what.credential.replace(/^jwt:/, '');
    printAside(
      issued.has(name)
        ? `Revoked ${name}.`
        : `Revoked ${name}, which was not issued here: a token with this jti is refused from now on.`,
    );
  });
}

/** Makes a new signing key. */
export async function runRotate({ overlap, alg }: RotateOptions): Promise<void> {
  const overlapSeconds = readDuration('--overlap', overlap, 0);
  await withCredentials('token rotate', async ({ keys }, auth) => {
    const before = keys.current();
    const { kid } = await keys.rotate(alg, overlapSeconds);
    printAside(`New tokens are signed with the ${alg} key ${kid}.`);
    if (before) {
      const until = instant(Math.floor(Date.now() / 1000) + overlapSeconds);
      printAside(`Those of ${before.kid} are valid until ${until} at the latest.`);
    }
    if (auth.mode === 'shared-secret') {
      printAside('Tokens signed with MCP_JWT_SECRET stay valid until it is taken out of the configuration.');
    }
  });
}

function revokedOf(jti: string | undefined, subject: string | undefined): Revoked {
  if (jti !== undefined) return { credential: jti.startsWith('jwt:') ? jti : `jwt:${jti}` };
  return subject === undefined ? { all: true } : { subject };
}

/** The key of the state file in use, else the shared secret, else a first key; or what was asked for. */
async function signerOf(
  auth: JwtAuth,
  credentials: Credentials | undefined,
  wanted: IssueOptions['alg'],
): Promise<Secret | SigningKey> {
  const shared = auth.mode === 'shared-secret' ? auth.secret : undefined;
  if (!credentials) {
    if (shared !== undefined && wanted !== 'EdDSA') return shared;
    throw shared === undefined
      ? noSigner()
      : usageError('--alg EdDSA needs STATE_FILE or REDIS_URL, which keeps the key.');
  }
  if (wanted === 'HS256' && shared !== undefined) return shared;
  const current = credentials.keys.current();
  if (current && (wanted === undefined || wanted === current.algorithm)) return current;
  if (!current) {
    return wanted === undefined && shared !== undefined ? shared : credentials.keys.ensure(wanted ?? 'EdDSA');
  }
  throw usageError(
    `The key in use signs with ${current.algorithm}, not with ${wanted}.`,
    `Change it for all new tokens with: proxmox-mcp token rotate --alg ${wanted}`,
  );
}

function noSigner(): CliError {
  return new CliError('MCP_JWKS_URL is set: tokens come from your authorization server, not from here.', {
    exitCode: EXIT.usage,
    fix: 'Set MCP_JWT_SECRET in its place to issue tokens with this command, or STATE_FILE or REDIS_URL beside it.',
  });
}
