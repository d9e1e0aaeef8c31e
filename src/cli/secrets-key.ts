import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readClustersKey } from '../config/clusters-key.ts';
import { Environment, errorCode, readSecretFile } from '../config/environment.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { SealingKey } from '../config/sealed.ts';
import { Secret } from '../config/secret.ts';
import { CliError, EXIT, usageError } from './failure.ts';
import { selfCommand } from './self-command.ts';

/** What the commands on secrets are told by options, and by variables and `.env` where there is no option. */
export interface Settings {
  /** Absolute path of clusters.json. */
  file: string;
  key: SealingKey | undefined;
}

/**
 * @throws ConfigError for a CLUSTERS_KEY that is no key
 * @throws CliError for a key file that can't be used
 */
export function readSettings(options: { file?: string; keyFile?: string }): Settings {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(process.env, process.cwd(), problems);
  const file = pathFrom(environment, options.file);
  const key = options.keyFile === undefined ? readClustersKey(environment) : readKeyFile(options.keyFile);
  if (problems.length > 0) throw new ConfigError(problems);
  return { file, key };
}

/** Whether the commands find a key without --key-file. */
export function hasKey(): boolean {
  return new Environment(process.env, process.cwd(), []).has('CLUSTERS_KEY');
}

/** The clusters.json to work on, where no key is needed. @throws ConfigError for a `.env` that can't be read */
export function clustersPath(file: string | undefined): string {
  const problems: ConfigProblem[] = [];
  const path = pathFrom(new Environment(process.env, process.cwd(), problems), file);
  if (problems.length > 0) throw new ConfigError(problems);
  return path;
}

function pathFrom(environment: Environment, file: string | undefined): string {
  return resolve(file ?? environment.text('CLUSTERS_FILE') ?? 'clusters.json');
}

/** @throws CliError that says how a key file is made */
export function readKeyFile(path: string): SealingKey {
  let text: Secret;
  try {
    text = new Secret(readSecretFile(resolve(path)));
  } catch (error) {
    throw new CliError(`The key file ${path} can't be read (${errorCode(error)}).`, {
      exitCode: EXIT.usage,
      ...(errorCode(error) === 'ENOENT' ? { fix: makeOne(path) } : {}),
      cause: error,
    });
  }
  try {
    return SealingKey.parse(text, path);
  } catch (error) {
    throw usageError(`The key file ${path} ${error instanceof Error ? error.message : 'is not valid'}.`);
  }
}

/** Makes a file with a fresh key, mode 600. @throws CliError where there is a file already */
export function makeKeyFile(path: string): SealingKey {
  const text = randomBytes(32).toString('base64');
  try {
    writeFileSync(resolve(path), `${text}\n`, { mode: 0o600, flag: 'wx', flush: true });
  } catch (error) {
    if (errorCode(error) === 'EEXIST') {
      throw new CliError(
        `${path} is there already, and was left as it is: a key that is lost opens nothing.`,
        {
          fix: 'Choose another name.',
        },
      );
    }
    throw new CliError(`${path} can't be written (${errorCode(error)}).`, { cause: error });
  }
  return SealingKey.parse(new Secret(text), path);
}

/** How a key file is made. */
export function makeOne(path: string): string {
  return `Make one with: ${selfCommand()} secrets key ${path}`;
}
