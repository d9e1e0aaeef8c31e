import type { Config } from '../config/config.ts';
import { Environment } from '../config/environment.ts';
import { loadAuth, loadConfig } from '../config/load.ts';
import { didYouMean } from '../config/nearest.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { count } from '../tools/results.ts';
import type { CheckOptions } from './check.ts';
import { checkCluster } from './check-cluster.ts';
import { type CheckReport, problemsOf, reportJson, reportText } from './check-report.ts';
import { EXIT, usageError } from './failure.ts';
import { print, printJson } from './output.ts';
import { showProgress } from './progress.ts';

/** Checks, prints what was found, and sets the exit code. */
export async function runCheck({ cluster, json }: CheckOptions): Promise<void> {
  const config = load(json ?? false);
  const report = await check(config, cluster);
  if (json) printJson(reportJson(report));
  else print(reportText(report, process.stdout.isTTY));
  if (problemsOf(report).length > 0) process.exitCode = EXIT.failed;
}

function load(json: boolean): Config {
  try {
    return loadConfig({ env: process.env, cwd: process.cwd(), needsAuth: false });
  } catch (error) {
    if (json && error instanceof ConfigError) {
      printJson({ ok: false, clusters: [], problems: error.problems.map(asProblem), notes: [] });
    }
    throw error;
  }
}

async function check(config: Config, only: string | undefined): Promise<CheckReport> {
  const wanted = config.clusters.filter(({ name }) => only === undefined || name === only);
  if (only !== undefined && wanted.length === 0) {
    const names = config.clusters.map(({ name }) => name);
    const known = `The clusters are: ${names.join(', ')}.`;
    throw usageError(`There is no cluster ${JSON.stringify(only)}.${didYouMean(only, names)}`, known);
  }
  const endpoints = wanted.flatMap((cluster) => cluster.endpoints).length;
  using _progress = showProgress(`Reaching ${count(endpoints, 'endpoint')}`);
  const clusters = await Promise.all(wanted.map((cluster) => checkCluster(cluster, config.readOnly)));
  const auth = checkAuth();
  return { clusters, problems: auth.problems, notes: [...config.warnings, ...auth.notes] };
}

/** Settings of tokens count for `serve`; who uses stdio alone has none, and that is no problem. */
function checkAuth(): Pick<CheckReport, 'problems' | 'notes'> {
  const source = { env: process.env, cwd: process.cwd() };
  const environment = new Environment(source.env, source.cwd, []);
  if (!['MCP_AUTH', 'MCP_JWT_SECRET', 'MCP_JWKS_URL', 'STATE_FILE'].some((name) => environment.has(name))) {
    return { problems: [], notes: ['MCP_JWT_SECRET is not set: `serve` needs it, `stdio` does not'] };
  }
  try {
    loadAuth(source);
    return { problems: [], notes: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems.map(asProblem), notes: [] };
  }
}

function asProblem({ source, cluster, field, message }: ConfigProblem) {
  const where = [cluster, field].filter((part) => part !== undefined).join(', ');
  return {
    where: source,
    message: where === '' ? message : `${where}: ${message}`,
    fix: `Correct it in: ${source}`,
  };
}
