import { resolve } from 'node:path';
import { AuditKey } from '../audit/chain.ts';
import { Environment, errorCode, readSecretFile } from '../config/environment.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { Secret } from '../config/secret.ts';
import { CliError, EXIT, usageError } from './failure.ts';

/** The record to read. @throws CliError where none is named */
export function auditPath(file: string | undefined): string {
  const path = file ?? settings(({ text }) => text('AUDIT_FILE'));
  if (path !== undefined && path !== '') return resolve(path);
  throw usageError(
    'No audit record is named.',
    'Give --file, or set AUDIT_FILE as it is set for the service.',
  );
}

/** AUDIT_KEY, and the keys of the given files. @throws CliError or ConfigError for what is no key */
export function auditKeys(keyFiles: readonly string[]): AuditKey[] {
  const own = settings(({ secret }) => secret('AUDIT_KEY'));
  return [
    ...(own === undefined ? [] : [keyOf(own, 'AUDIT_KEY')]),
    ...keyFiles.map((path) => keyOf(keyFile(path), `The key file ${path}`)),
  ];
}

interface Reader {
  text(name: string): string | undefined;
  secret(name: string): Secret | undefined;
}

function settings<T>(read: (reader: Reader) => T): T {
  const problems: ConfigProblem[] = [];
  const environment = new Environment(process.env, process.cwd(), problems);
  const value = read({
    text: (name) => environment.text(name),
    secret: (name) => environment.secret(name),
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return value;
}

function keyOf(text: Secret, source: string): AuditKey {
  try {
    return new AuditKey(Buffer.from(text.reveal()));
  } catch {
    throw usageError(`${source} is no key of an audit record: it has less than 32 bytes.`);
  }
}

function keyFile(path: string): Secret {
  try {
    return new Secret(readSecretFile(resolve(path)));
  } catch (error) {
    throw usageError(`The key file ${path} can't be read (${errorCode(error)}).`);
  }
}

/** What a person can do about a record that can't be read; anything else is thrown as it is. */
export function unreadableRecord(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code === 'unknown error') return error;
  const message =
    code === 'ENOENT'
      ? `There is no audit record at ${path}.`
      : `The audit record ${path} can't be read (${code}).`;
  return new CliError(message, {
    exitCode: EXIT.usage,
    fix: 'Give --file, or set AUDIT_FILE as it is set for the service.',
    cause: error,
  });
}
