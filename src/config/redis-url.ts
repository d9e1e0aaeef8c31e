import type { Environment } from './environment.ts';
import type { Secret } from './secret.ts';

/** REDIS_URL: what several replicas share; a secret, as it holds the password. */
export function readRedisUrl(environment: Environment): Secret | undefined {
  const secret = environment.secret('REDIS_URL');
  if (secret === undefined) return undefined;
  const text = secret.reveal();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url !== undefined &&
    /^rediss?:$/.test(url.protocol) &&
    url.hostname !== '' &&
    /^\/?\d{0,3}$/.test(url.pathname)
  )
    return secret;
  environment.problem(
    'REDIS_URL',
    'must be redis://[user:password@]host:port[/database], or rediss:// for TLS',
  );
  return undefined;
}
