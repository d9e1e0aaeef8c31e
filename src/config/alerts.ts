import type { AlertConfig } from './config.ts';
import type { Environment } from './environment.ts';
import { isLoopback } from './service.ts';

/** Proxmox renews its own certificates two weeks before their end: later than that, something keeps it from it. */
const DEFAULT_CERTIFICATE_DAYS = 10;
const DEFAULT_TOKEN_DAYS = 7;
const DEFAULT_INTERVAL_SECONDS = 60;
const LEAST_INTERVAL_SECONDS = 60;
const MOST_INTERVAL_SECONDS = 3600;
const DEFAULT_PERCENT = { warning: 85, critical: 95 };
const MOST_DAYS = 365;
const MIN_SECRET_BYTES = 32;

/** The ALERT_… settings. */
export function readAlerts(environment: Environment): AlertConfig {
  const webhookUrl = readUrl(environment);
  const webhookSecret = environment.secret('ALERT_WEBHOOK_SECRET');
  if (webhookSecret !== undefined && Buffer.byteLength(webhookSecret.reveal()) < MIN_SECRET_BYTES) {
    environment.problem(
      'ALERT_WEBHOOK_SECRET',
      `is shorter than ${MIN_SECRET_BYTES} bytes; make one with: openssl rand -base64 48`,
    );
  }
  return {
    ...(webhookUrl === undefined ? {} : { webhookUrl }),
    ...(webhookSecret === undefined ? {} : { webhookSecret }),
    intervalSeconds: readInterval(environment),
    storagePercent: readPercent(environment),
    certificateDays: environment.integer('ALERT_CERTIFICATE_DAYS', 1, MOST_DAYS) ?? DEFAULT_CERTIFICATE_DAYS,
    tokenDays: environment.integer('ALERT_TOKEN_DAYS', 1, MOST_DAYS) ?? DEFAULT_TOKEN_DAYS,
    backupAgeDays: environment.integer('ALERT_BACKUP_AGE_DAYS', 0, MOST_DAYS) ?? 0,
  };
}

/** Its problems never quote it: the path of a webhook is often all that protects it. */
function readUrl(environment: Environment) {
  const allowsHttp = environment.boolean('ALERT_WEBHOOK_ALLOW_HTTP') ?? false;
  const secret = environment.secret('ALERT_WEBHOOK_URL');
  if (secret === undefined) return undefined;
  const text = secret.reveal().trim();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOpen = url?.protocol === 'http:' && !allowsHttp && !isLoopback(url.hostname);
  if (url === undefined || !/^https?:$/.test(url.protocol) || isOpen) {
    environment.problem(
      'ALERT_WEBHOOK_URL',
      'must be an https URL (http on loopback, or anywhere with ALERT_WEBHOOK_ALLOW_HTTP=true)',
    );
  } else if (url.username !== '' || url.password !== '') {
    environment.problem(
      'ALERT_WEBHOOK_URL',
      'must not hold a user and a password: sign with ALERT_WEBHOOK_SECRET instead',
    );
  }
  return secret;
}

function readInterval(environment: Environment): number {
  const seconds = environment.integer('ALERT_INTERVAL_SECONDS', 0, MOST_INTERVAL_SECONDS);
  if (seconds === undefined) return DEFAULT_INTERVAL_SECONDS;
  if (seconds !== 0 && seconds < LEAST_INTERVAL_SECONDS) {
    environment.problem(
      'ALERT_INTERVAL_SECONDS',
      `must be 0 (nothing is watched) or from ${LEAST_INTERVAL_SECONDS} to ${MOST_INTERVAL_SECONDS}`,
    );
  }
  return seconds;
}

function readPercent(environment: Environment): AlertConfig['storagePercent'] {
  const list = environment.list('ALERT_STORAGE_PERCENT');
  if (list === undefined) return DEFAULT_PERCENT;
  const [warning = Number.NaN, critical = Number.NaN] = list.map(Number);
  const isRight = list.length === 2 && list.every((item) => /^\d{1,3}$/.test(item));
  if (!isRight || warning < 10 || critical > 100 || warning >= critical) {
    environment.problem(
      'ALERT_STORAGE_PERCENT',
      'must be two whole numbers from 10 to 100, the warning before the critical one, such as 85,95',
    );
  }
  return { warning, critical };
}
