import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { isClusterVariable } from '../config/cluster-variables.ts';
import { Environment } from '../config/environment.ts';
import { migrateToEnv } from '../config/migrate-to-env.ts';
import { migrateToJson } from '../config/migrate-to-json.ts';
import type { Migration } from '../config/migration.ts';
import { count } from '../tools/results.ts';
import type { MigrateOptions } from './config.ts';
import { CliError, usageError } from './failure.ts';
import { print, styled } from './output.ts';
import { selfCommand } from './self-command.ts';
import { writeSecretly } from './write-secretly.ts';

/** Moves clusters from one form to the other. Secrets go to files of mode 600 alone, never to standard output. */
export function runMigrate(options: MigrateOptions): void {
  const source = { env: process.env, cwd: process.cwd() };
  const clustersFile = resolve(
    source.cwd,
    new Environment(source.env, source.cwd, []).text('CLUSTERS_FILE') ?? 'clusters.json',
  );
  const usual = options.to === 'json' ? clustersFile : resolve(source.cwd, '.env');
  const output = options.output === undefined ? usual : resolve(source.cwd, options.output);
  const migration =
    options.to === 'json'
      ? toJson({ ...source, output }, options)
      : toEnv({ ...source, input: clustersFile, output }, options);
  refuseExisting([...migration.files.keys()], options.force);
  writeAll(output, migration);
  print(
    options.to === 'json'
      ? jsonSummary(output, usual, migration)
      : envSummary(output, clustersFile, migration),
  );
}

type Place = Pick<Parameters<typeof migrateToJson>[0], 'env' | 'cwd' | 'output'>;

function toJson(place: Place, { secrets, force }: MigrateOptions): Migration {
  const migration = migrateToJson({ ...place, secrets });
  refuseExisting([place.output], force);
  return migration;
}

function toEnv(place: Place & { input: string }, { secrets, force }: MigrateOptions): Migration {
  if (secrets === 'env')
    throw usageError('--secrets env is for --to json: in .env a variable can’t refer to another one.');
  const existing = existsSync(place.output) ? readFileSync(place.output, 'utf8') : '';
  const migration = migrateToEnv({ ...place, existing, secrets });
  const present = Object.keys(parseEnv(existing)).filter(isClusterVariable);
  if (present.length > 0 && !force) {
    throw new CliError(
      `${place.output} describes clusters already (${present.slice(0, 3).join(', ')}${present.length > 3 ? ', …' : ''}); nothing was written.`,
      { fix: 'Replace these lines with --force, or write to another file with --output.' },
    );
  }
  return migration;
}

function refuseExisting(paths: readonly string[], force = false): void {
  const present = force ? [] : paths.filter((path) => existsSync(path));
  if (present.length === 0) return;
  throw new CliError(
    `${present.join(', ')} ${present.length === 1 ? 'is' : 'are'} there already; nothing was written.`,
    {
      fix: 'Replace with --force, or write to another place with --output.',
    },
  );
}

/** The file that refers to the others comes last; where one can't be written, those that are new go again. */
function writeAll(output: string, { text, files }: Migration): void {
  const fix = 'Choose another place with --output.';
  const fresh: string[] = [];
  try {
    for (const [path, content] of files) {
      if (!existsSync(path)) fresh.push(path);
      writeSecretly(path, content, fix);
    }
    writeSecretly(output, text, fix);
  } catch (error) {
    for (const path of fresh) rmSync(path, { force: true });
    throw error;
  }
}

function jsonSummary(output: string, usual: string, migration: Migration): string {
  const inDotEnv = migration.unused.filter(({ source }) => source === '.env').map(({ name }) => name);
  const inProcess = migration.unused.filter(({ source }) => source !== '.env').map(({ name }) => name);
  return summary(output, migration, [
    ...(output === usual ? [] : [`Name the file where the service starts: CLUSTERS_FILE=${output}`]),
    ...listed('Delete from .env what counts no longer:', inDotEnv),
    ...listed('Unset in the environment:', inProcess),
  ]);
}

function envSummary(output: string, clustersFile: string, migration: Migration): string {
  const unused = migration.unused.map(({ name, source }) => `${name} (${source})`);
  const inProcess = Object.keys(process.env).filter((name) => process.env[name] && isClusterVariable(name));
  return summary(output, migration, [
    ...(basename(output) === '.env' ? [] : ['Start the service in a folder where this file is called .env.']),
    `Move ${clustersFile} away, and unset CLUSTERS_FILE where it is set: a clusters.json counts before variables.`,
    ...listed('Delete what only clusters.json needed:', unused),
    ...listed('Unset in the environment, which counts before .env:', inProcess),
  ]);
}

/** A step about names, of which there may be twenty: a line each. */
function listed(step: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [step, ...names.map((name) => `  ${name}`)];
}

function summary(
  output: string,
  { clusters, defaultCluster, files, notes }: Migration,
  next: readonly string[],
): string {
  const self = selfCommand({ cwd: process.cwd() });
  return [
    `Wrote ${count(clusters.length, 'cluster')} to ${output} (mode 600): ${clusters.join(', ')}.`,
    ...[...files.keys()].map((path) => `Wrote ${path} (mode 600).`),
    ...(defaultCluster === undefined ? [] : [`The default is ${defaultCluster}.`]),
    ...(notes.length === 0 ? [] : ['', styled('bold', 'Notes'), ...notes.map((note) => `  ${note}`)]),
    '',
    styled('bold', 'Next'),
    ...next.map((step) => `  ${step}`),
    `  ${self} config show`,
    `  ${self} check`,
  ].join('\n');
}
