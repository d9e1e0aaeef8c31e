import { resolve } from 'node:path';
import type { SealedPlace, SealingKey } from '../config/sealed.ts';
import { sealedKeyId, sealedPlaces } from '../config/sealed.ts';
import type { Secret } from '../config/secret.ts';
import { count } from '../tools/results.ts';
import { agree } from './agree.ts';
import { CliError, usageError } from './failure.ts';
import { print, styled } from './output.ts';
import type { OpenOptions, RotateOptions, SecretsOptions } from './secrets.ts';
import { readSecretsFile, replaceSecrets, type SecretsFile, type StoredSecret } from './secrets-file.ts';
import { hasKey, makeKeyFile, makeOne, readKeyFile, readSettings } from './secrets-key.ts';
import { selfCommand } from './self-command.ts';

type Sealed = Extract<StoredSecret, { kind: 'sealed' }>;
type Plain = Extract<StoredSecret, { kind: 'plain' }>;

export function runKey(path: string): void {
  const { id } = makeKeyFile(path);
  const self = selfCommand();
  const oldKey = hasKey() ? '' : ' --key-file OLD.key';
  print(
    [
      `Wrote the key ${id} to ${resolve(path)} (mode 600).`,
      'Keep a copy of it, and neither of them where clusters.json is kept: without it, what is sealed is lost.',
      '',
      styled('bold', 'Next'),
      `  ${self} secrets seal --key-file ${path}`,
      `or, where secrets are sealed with another key already:`,
      `  ${self} secrets rotate${oldKey} --new-key-file ${path}`,
    ].join('\n'),
  );
}

/** Seals what is plain. */
export function runSeal(options: SecretsOptions): void {
  const settings = readSettings(options);
  const file = readSecretsFile(settings.file);
  const plain = plainOf(file);
  if (plain.length === 0) {
    print(`There is nothing to seal: ${file.path} holds no plain secret.`);
    return;
  }
  const key = neededKey(settings.key, file);
  refuseMixture(file, key);
  const changes = plain.map(({ place, secret }) => [place, { sealed: sealOne(key, secret, place) }] as const);
  replaceSecrets(file, new Map(changes));
  print(
    [
      `Sealed ${count(plain.length, 'secret')} of ${file.path} with the key ${key.id}:`,
      ...plain.map(({ place }) => `  ${inWords(place)}`),
      '',
      styled('bold', 'Next'),
      ...giveKey(options.keyFile),
      `  ${selfCommand()} check`,
      'Older copies of the file (backups, version control) still hold the plain secrets.',
    ].join('\n'),
  );
}

/** Turns what is sealed into plain texts, once a person has agreed. */
export async function runOpen(options: OpenOptions): Promise<void> {
  const settings = readSettings(options);
  const file = readSecretsFile(settings.file);
  const sealed = sealedOf(file);
  if (sealed.length === 0) {
    print(`There is nothing to open: ${file.path} holds no sealed secret.`);
    return;
  }
  const opened = openAll(file, [neededKey(settings.key, file)]);
  if (!options.yes) await agree(`Write ${count(sealed.length, 'secret')} to ${file.path} as plain text?`);
  replaceSecrets(file, new Map([...opened].map(([place, { secret }]) => [place, secret.reveal()])));
  print(
    [
      `Opened ${count(sealed.length, 'secret')}; ${file.path} now holds them as plain text (mode 600):`,
      ...sealed.map(({ place }) => `  ${inWords(place)}`),
    ].join('\n'),
  );
}

/** Seals what is sealed with another key. What is plain stays plain: to seal it is another decision. */
export function runRotate(options: RotateOptions): void {
  const settings = readSettings(options);
  const file = readSecretsFile(settings.file);
  const sealed = sealedOf(file);
  if (sealed.length === 0) {
    throw new CliError(`There is nothing to rotate: ${file.path} holds no sealed secret.`, {
      fix: `Seal them with the new key: ${selfCommand()} secrets seal --key-file ${options.newKeyFile}`,
    });
  }
  const next = readKeyFile(options.newKeyFile);
  const key = neededKey(settings.key, file);
  if (key.id === next.id) throw usageError(`${options.newKeyFile} holds the present key, ${key.id}.`, ROTATE);
  // What was sealed with the new key by hand, or by a rotation of part of the file elsewhere, is there already.
  const old = [...openAll(file, [key, next])].filter(([, { by }]) => by === key);
  if (old.length > 0) {
    replaceSecrets(
      file,
      new Map(old.map(([place, { secret }]) => [place, { sealed: sealOne(next, secret, place) }])),
    );
  }
  print(rotated(file, old, key, next, options.newKeyFile));
}

const ROTATE = 'Make another one with `proxmox-mcp secrets key`.';

function rotated(
  file: SecretsFile,
  old: readonly [SealedPlace, unknown][],
  key: SealingKey,
  next: SealingKey,
  path: string,
): string {
  const plain = plainOf(file);
  return [
    old.length === 0
      ? `All of ${file.path} is sealed with the key ${next.id} already.`
      : `Sealed ${count(old.length, 'secret')} of ${file.path} anew; the key was ${key.id}, and is ${next.id}:`,
    ...old.map(([place]) => `  ${inWords(place)}`),
    ...(plain.length === 0
      ? []
      : [
          `Left plain, as it was: ${plain.map(({ place }) => inWords(place)).join('; ')}. ` +
            `To seal it: ${selfCommand()} secrets seal --key-file ${path}`,
        ]),
    '',
    styled('bold', 'Next'),
    ...giveKey(path),
    `  ${selfCommand()} check`,
    'Keep the old key as long as you keep copies of the file that were sealed with it.',
  ].join('\n');
}

/** Opens everything, so that nothing is written where one can't be. */
function openAll(
  file: SecretsFile,
  keys: readonly [SealingKey, ...SealingKey[]],
): Map<SealedPlace, { secret: Secret; by: SealingKey }> {
  const opened = new Map<SealedPlace, { secret: Secret; by: SealingKey }>();
  const problems: string[] = [];
  const places = [...sealedPlaces(new Set(file.secrets.map(({ place }) => place.cluster)))];
  for (const { place, text } of sealedOf(file)) {
    try {
      const by = keys.find(({ id }) => id === sealedKeyId(text)) ?? keys[0];
      opened.set(place, { secret: by.open(text, place, places), by });
    } catch (error) {
      problems.push(`  - ${inWords(place)}: ${error instanceof Error ? error.message : 'can’t be opened'}`);
    }
  }
  if (problems.length === 0) return opened;
  throw new CliError([`${file.path} was left as it is:`, ...problems].join('\n'));
}

/** A file that no single key opens could not be used by the service. */
function refuseMixture(file: SecretsFile, key: SealingKey): void {
  const other = keyIds(file).find((id) => id !== key.id);
  if (other === undefined) return;
  throw new CliError(
    `${file.path} holds secrets sealed with the key ${other}, and this one is ${key.id}: the service takes one key.`,
    {
      fix: `Seal with the key ${other}; or change the key of those first: ${selfCommand()} secrets rotate --help`,
    },
  );
}

function sealOne(key: SealingKey, secret: Secret, place: SealedPlace): string {
  try {
    return key.seal(secret, place);
  } catch (error) {
    throw new CliError(`${inWords(place)} ${error instanceof Error ? error.message : 'can’t be sealed'}.`);
  }
}

function neededKey(key: SealingKey | undefined, file: SecretsFile): SealingKey {
  if (key !== undefined) return key;
  const [id] = keyIds(file);
  throw usageError(
    'There is no key: CLUSTERS_KEY and CLUSTERS_KEY_FILE are not set, and --key-file is not given.',
    id === undefined
      ? `${makeOne('clusters.key')}\nThen: ${selfCommand()} secrets seal --key-file clusters.key`
      : `The secrets of ${file.path} are sealed with the key ${id}: give that one.`,
  );
}

/** How the service gets a key that was named by an option; from a variable it has it already. */
function giveKey(path: string | undefined): string[] {
  if (path === undefined) return [];
  return [`  Give it to the service, in its environment or .env: CLUSTERS_KEY_FILE=${resolve(path)}`];
}

function keyIds(file: SecretsFile): string[] {
  return sealedOf(file).flatMap(({ text }) => {
    try {
      return [sealedKeyId(text)];
    } catch {
      return [];
    }
  });
}

function plainOf({ secrets }: SecretsFile): Plain[] {
  return secrets.filter((secret) => secret.kind === 'plain');
}

function sealedOf({ secrets }: SecretsFile): Sealed[] {
  return secrets.filter((secret) => secret.kind === 'sealed');
}

function inWords({ cluster, key }: SealedPlace): string {
  return `${cluster}, ${key}`;
}
