import { resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import * as clack from '@clack/prompts';
import { CLUSTER_NAME, CLUSTER_NAME_RULE, type ClusterEntry } from '../config/clusters-schema.ts';
import { parseEndpoint } from '../config/endpoint.ts';
import { fetchCertificate, type ShownCertificate } from './certificate.ts';
import { checkCluster } from './check-cluster.ts';
import { CliError, EXIT } from './failure.ts';
import type { InitOptions } from './init.ts';
import { configOf, type Draft, makeDraft } from './init-draft.ts';
import type { ExistingFile } from './init-files.ts';

/** Where questions are shown and answered; the terminal unless a test says otherwise. */
export interface Streams {
  input?: Readable;
  output?: Writable;
}

type Tls = Pick<ClusterEntry, 'fingerprint' | 'ca_file' | 'verify_ssl'>;

/** What is proposed as an answer: from the options, or from the attempt before. */
type Suggested = Pick<InitOptions, 'name' | 'url' | 'tokenId'> & { tls?: Tls };

/**
 * Asks for one cluster after the other. Nothing is written here.
 *
 * @throws CliError when the person cancels
 */
export async function askDrafts(
  existing: ExistingFile,
  suggested: Suggested,
  streams: Streams = {},
): Promise<Draft[]> {
  const questions = new Questions(streams);
  clack.intro('Clusters for proxmox-mcp', streams);
  const drafts = new Map<string, Draft>();
  do {
    const taken = [...existing.names, ...drafts.keys()];
    const draft = await questions.cluster(taken, drafts.size === 0 ? suggested : {});
    drafts.set(draft.name, draft);
  } while (await questions.confirm('Add another cluster?', false));
  clack.outro('Thank you.', streams);
  return [...drafts.values()];
}

/** What is to become of a cluster whose test failed. */
type AfterFailure = 'again' | 'keep';

class Questions {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** One cluster, tested; asked for again, with the answers as proposals, until it is kept. */
  async cluster(taken: readonly string[], suggested: Suggested): Promise<Draft> {
    let proposed = suggested;
    let stillTaken = taken;
    for (;;) {
      const name = await this.#name(stillTaken, proposed.name);
      const url = await this.#text('Address of one of its nodes (host:port)', proposed.url, checkUrl);
      const tokenId = await this.#text(
        'API token (user@realm!name)',
        proposed.tokenId ?? 'mcp@pve!mcp',
        checkTokenId,
      );
      const secret = await this.#answer(
        clack.password({ message: 'Secret of the token', validate: checkSecret, ...this.#streams }),
      );
      const tls = await this.#tls(url, proposed.tls);
      const draft = makeDraft(name, url, tokenId, secret, tls);
      if ((await this.#test(draft)) === 'keep') return draft;
      proposed = { name, url, tokenId, tls };
      // To replace this one was agreed to; that is not asked twice.
      stillTaken = stillTaken.filter((other) => other !== name);
    }
  }

  /** A name that is free, or that is to be replaced. */
  async #name(taken: readonly string[], suggested: string | undefined): Promise<string> {
    const free = [suggested, 'production'].find((name) => name !== undefined && !taken.includes(name));
    for (;;) {
      const name = await this.#text('Name of the cluster', free, checkName);
      if (!taken.includes(name)) return name;
      if (await this.confirm(`${name} is there already. Replace it?`, false)) return name;
    }
  }

  async confirm(message: string, initialValue: boolean): Promise<boolean> {
    return await this.#answer(clack.confirm({ message, initialValue, ...this.#streams }));
  }

  async #tls(url: string, before: Tls | undefined): Promise<Tls> {
    const shown = await this.#certificate(url);
    const chosen = before === undefined ? undefined : choiceOf(before);
    const choice = await this.#answer(
      clack.select<TlsChoice>({
        message: 'How is its certificate to be verified?',
        ...(chosen === undefined || (chosen === 'pin' && shown === undefined)
          ? {}
          : { initialValue: chosen }),
        options: [
          ...(shown === undefined
            ? []
            : [
                {
                  value: 'pin' as const,
                  label: 'Pin this certificate',
                  hint: 'compare the fingerprint first',
                },
              ]),
          { value: 'ca' as const, label: 'A CA file', hint: '/etc/pve/pve-root-ca.pem of the cluster' },
          { value: 'system' as const, label: 'The CAs of this machine', hint: 'for a public certificate' },
          { value: 'off' as const, label: 'Not at all', hint: 'any host at that address gets the token' },
        ],
        ...this.#streams,
      }),
    );
    if (choice === 'pin' && shown !== undefined) return { fingerprint: shown.fingerprint };
    if (choice === 'ca')
      return { ca_file: resolve(await this.#text('Path of the CA file', before?.ca_file, checkNotEmpty)) };
    return { verify_ssl: choice !== 'off' };
  }

  async #certificate(url: string): Promise<ShownCertificate | undefined> {
    const spinner = clack.spinner(this.#streams);
    spinner.start(`Asking ${url} for its certificate`);
    try {
      const shown = await fetchCertificate(parseEndpoint(url));
      spinner.stop(`It shows a certificate for ${shown.subject || 'no name'}`);
      // Not a note, which would break the fingerprint at the width of its box.
      clack.log.message(
        `SHA-256 ${shown.fingerprint}\nCompare it on the node: pvenode cert info`,
        this.#streams,
      );
      return shown;
    } catch {
      spinner.error(`${url} showed no certificate: is the address right, and the node up?`);
      return undefined;
    }
  }

  async #test(draft: Draft): Promise<AfterFailure> {
    const problem = await this.#problemOf(draft);
    if (problem === undefined) return 'keep';
    clack.log.error(problem, this.#streams);
    return await this.#answer(
      clack.select<AfterFailure>({
        message: 'What now?',
        options: [
          { value: 'again', label: 'Enter it again' },
          { value: 'keep', label: 'Keep it as it is' },
        ],
        ...this.#streams,
      }),
    );
  }

  async #problemOf(draft: Draft): Promise<string | undefined> {
    const spinner = clack.spinner(this.#streams);
    try {
      const config = configOf(draft);
      spinner.start('Trying the connection');
      const { endpoints, problems } = await checkCluster(config, false);
      const version = endpoints[0]?.version;
      if (version === undefined) spinner.error('The connection does not work');
      else spinner.stop(`Connected: Proxmox VE ${version}`);
      return problems.map(({ message, fix }) => `${message}\n${fix}`).join('\n') || undefined;
    } catch (error) {
      if (error instanceof CliError) return error.message;
      throw error;
    }
  }

  async #text(
    message: string,
    initialValue: string | undefined,
    validate: (value: string | undefined) => string | undefined,
  ): Promise<string> {
    const suggestion = initialValue === undefined ? {} : { initialValue };
    const answer = clack.text({ message, validate, ...suggestion, ...this.#streams });
    return (await this.#answer(answer)).trim();
  }

  /** The answer, unless it is Ctrl-C. */
  async #answer<T>(question: Promise<T>): Promise<Exclude<T, symbol>> {
    const answer = await question;
    if (!clack.isCancel(answer)) return answer as Exclude<T, symbol>;
    throw new CliError('Cancelled: nothing was written.', { exitCode: EXIT.interrupted });
  }
}

type TlsChoice = 'pin' | 'ca' | 'system' | 'off';

function choiceOf({ fingerprint, ca_file, verify_ssl }: Tls): TlsChoice {
  if (fingerprint !== undefined) return 'pin';
  if (ca_file !== undefined) return 'ca';
  return verify_ssl === false ? 'off' : 'system';
}

function checkName(value: string | undefined): string | undefined {
  return CLUSTER_NAME.test(value?.trim() ?? '') ? undefined : `It ${CLUSTER_NAME_RULE}.`;
}

function checkUrl(value: string | undefined): string | undefined {
  try {
    parseEndpoint(value ?? '');
    return undefined;
  } catch (error) {
    return `It ${error instanceof Error ? error.message : 'is not valid'}.`;
  }
}

function checkTokenId(value: string | undefined): string | undefined {
  return /^[^\s!]+@[^\s!]+![^\s!]+$/.test(value?.trim() ?? '') ? undefined : 'It must be user@realm!name.';
}

function checkSecret(value: string | undefined): string | undefined {
  return /^[\x21-\x7e]+$/.test(value ?? '') ? undefined : 'It must not be empty, and holds no blank.';
}

function checkNotEmpty(value: string | undefined): string | undefined {
  return value?.trim() ? undefined : 'It must not be empty.';
}
