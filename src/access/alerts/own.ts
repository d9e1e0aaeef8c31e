import type { Finding, Group } from '../../clusters/alerts/alert.ts';
import type { GroupLook } from '../../clusters/alerts/board.ts';
import { expiring } from '../../clusters/alerts/rules.ts';
import type { AlertConfig } from '../../config/config.ts';
import { quoted } from '../../proxmox/text.ts';
import type { Credentials } from '../credentials.ts';

/** What the service can say of itself. */
export interface OwnSources {
  audit?: { healthy(): { ok: true } | { ok: false; problem: string } } | undefined;
  state: { isHealthy(): boolean };
  /** Redis, where replicas share it. */
  redis?: { isUp(): boolean } | undefined;
  credentials: Pick<Credentials, 'issued' | 'apiKeys' | 'keys' | 'revocations'>;
  /** When the certificate that this service shows itself ends, in epoch milliseconds; absent without TLS of its own. */
  certificateExpiresAt?: (() => number | undefined) | undefined;
  config(): AlertConfig;
  /** Epoch milliseconds. */
  now(): number;
}

const DAY_MS = 86_400_000;

/** Looks at the record, the state, Redis and the credentials that were issued here; asks no cluster. */
export function lookAtOwn(sources: OwnSources): ReadonlyMap<Group, GroupLook> {
  const { audit, state, redis } = sources;
  const health = audit?.healthy() ?? { ok: true };
  const isStateUsable = state.isHealthy();
  const isRedisUp = redis?.isUp() ?? true;
  const looks = new Map<Group, GroupLook>([
    ['audit', of(health.ok ? undefined : auditFailing(health.problem))],
    // While Redis is down the shared state is, too: one alert says so.
    ['state', of(isStateUsable || !isRedisUp ? undefined : STATE_FAILING)],
    ['redis', of(isRedisUp ? undefined : REDIS_FAILING)],
    ['certificates', of(ownCertificate(sources))],
  ]);
  if (isStateUsable) looks.set('credentials', { findings: credentialFindings(sources) });
  return looks;
}

function of(finding: Finding | undefined): GroupLook {
  return { findings: finding === undefined ? [] : [finding] };
}

function auditFailing(problem: string): Finding {
  return {
    kind: 'audit_failing',
    severity: 'critical',
    subject: 'record of calls',
    message: `Calls can not be recorded (${problem}): no change is sent to any cluster until they can. Look at AUDIT_FILE, its folder and the room on its disk.`,
  };
}

const STATE_FAILING: Finding = {
  kind: 'state_failing',
  severity: 'critical',
  subject: 'state',
  message:
    'The state of the service (keys, approvals, jobs) can not be used: changes that need an approval are refused. Look at STATE_FILE and the room on its disk.',
};

const REDIS_FAILING: Finding = {
  kind: 'redis_failing',
  severity: 'critical',
  subject: 'redis',
  message:
    'Redis does not answer: reads go on, and changes that need what replicas share are refused. Look at the server behind REDIS_URL.',
};

function ownCertificate({ certificateExpiresAt, config, now }: OwnSources): Finding | undefined {
  const at = certificateExpiresAt?.();
  if (at === undefined) return undefined;
  const about = { kind: 'certificate_expiring', subject: 'certificate of this service' } as const;
  return expiring(
    about,
    { at, days: config().certificateDays, now: now() },
    (when) =>
      `The certificate that this service shows its clients ${when}. Put the renewed one in its place; it is read anew.`,
  );
}

interface Lasting {
  subject: string;
  scope: string;
  issuedAt: number;
  expiresAt: number;
}

/**
 * One that was made for a short time is meant to end, and one whose subject has another of the same scope that lasts
 * longer was replaced already.
 */
function credentialFindings({ credentials, config, now }: OwnSources): Finding[] {
  const { issued, apiKeys, keys, revocations } = credentials;
  const at = now();
  const days = config().tokenDays;
  const valid: (Lasting & { about: string; todo: string })[] = [
    ...issued
      .list()
      .filter((token) => issued.stateOf(token, revocations, keys) === 'valid')
      .map((token) => ({
        ...token,
        about: `token ${token.jti}`,
        todo: 'proxmox-mcp token makes another one',
      })),
    ...apiKeys
      .list()
      .filter((key) => apiKeys.stateOf(key, revocations) === 'valid')
      .map(({ createdAt, ...key }) => ({
        ...key,
        issuedAt: createdAt,
        about: `API key ${key.id}`,
        todo: `proxmox-mcp keys rotate ${key.id} makes its successor`,
      })),
  ];
  return valid.flatMap((one) => {
    const { about, subject, scope, issuedAt, expiresAt, todo } = one;
    const isShort = (expiresAt - issuedAt) * 1000 < 2 * days * DAY_MS;
    const isReplaced = valid.some(
      (other) => other.subject === subject && other.scope === scope && other.expiresAt > expiresAt,
    );
    if (isShort || isReplaced) return [];
    const found = expiring(
      { kind: 'credential_expiring', subject: about },
      { at: expiresAt * 1000, days, now: at },
      (when) => `The ${about} of ${quoted(subject)} ${when}: ${todo}.`,
    );
    return found === undefined ? [] : [found];
  });
}
