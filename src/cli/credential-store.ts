import { type Credentials, openCredentials } from '../access/credentials.ts';
import type { AuthConfig, Config } from '../config/config.ts';
import { loadCredentialSettings } from '../config/load.ts';
import { CliError, EXIT } from './failure.ts';
import { withServiceState } from './state.ts';

export type JwtAuth = Exclude<AuthConfig, { mode: 'none' }>;

/**
 * The authentication settings of this folder, for a command that issues or revokes.
 *
 * @throws CliError where the service asks for no token, ConfigError where the settings are wrong
 */
export function loadSettings(): { auth: JwtAuth; kept: Pick<Config, 'stateFile' | 'redisUrl'> } {
  const { auth, ...kept } = loadCredentialSettings({ env: process.env, cwd: process.cwd() });
  if (auth.mode === 'none') {
    throw new CliError('MCP_AUTH is none: the service asks for no token.', {
      exitCode: EXIT.usage,
      fix: 'Set MCP_JWT_SECRET to issue tokens with this command.',
    });
  }
  return { auth, kept };
}

/**
 * Opens what the service keeps (REDIS_URL, else STATE_FILE) for one piece of work, and closes it.
 *
 * @param purpose what needs it, for the message where there is none
 * @throws CliError where neither is set, ConfigError where it can't be used
 */
export async function withCredentials<T>(
  purpose: string,
  work: (credentials: Credentials, auth: JwtAuth) => T | Promise<T>,
): Promise<T> {
  const { auth, kept } = loadSettings();
  const worked = await withServiceState(kept, async (state) => work(openCredentials(state), auth));
  if (worked !== undefined) return worked.done;
  throw new CliError(
    `${purpose} needs STATE_FILE, or REDIS_URL where replicas share one: without it nothing is remembered.`,
    {
      exitCode: EXIT.usage,
      fix: 'Set STATE_FILE=state.db, or another path, for the service and for this command, and start the service anew.',
    },
  );
}
