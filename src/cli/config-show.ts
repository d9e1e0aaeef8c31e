import { type EffectiveConfig, effectiveConfig } from '../config/effective.ts';
import { Environment } from '../config/environment.ts';
import { explainConfig, serviceSettings } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import type { ShowOptions } from './config.ts';
import { showText } from './config-show-text.ts';
import { print, printJson } from './output.ts';

/** What decides whether clients authenticate at all; `stdio` needs none of them. */
const AUTH = ['MCP_AUTH', 'MCP_JWT_SECRET', 'MCP_JWKS_URL', 'STATE_FILE'];
/** Read from the system, and no settings of the service. */
const SYSTEM = new Set(['HOME', 'XDG_CACHE_HOME']);
/** Read with the clusters and not with the service. */
const OF_CLUSTERS = ['CLUSTERS_FILE', 'CLUSTERS_KEY'];

/** Prints the effective configuration. @throws ConfigError where it can't be used */
export function runShow({ json }: ShowOptions): void {
  const shown = load(json ?? false);
  if (json) printJson({ ok: true, ...shown });
  else print(showText(shown, process.stdout.isTTY));
}

function load(json: boolean): EffectiveConfig {
  const source = { env: process.env, cwd: process.cwd() };
  const environment = new Environment(source.env, source.cwd, []);
  const needsAuth = AUTH.some((name) => environment.has(name));
  try {
    const names = new Set([...OF_CLUSTERS, ...serviceSettings()].filter((name) => !SYSTEM.has(name)));
    const shown = effectiveConfig(explainConfig({ ...source, needsAuth }), names);
    if (!needsAuth) shown.warnings.push('MCP_JWT_SECRET is not set: `serve` needs it, `stdio` does not');
    return shown;
  } catch (error) {
    if (json && error instanceof ConfigError) printJson({ ok: false, problems: error.problems });
    throw error;
  }
}
