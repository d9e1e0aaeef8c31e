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

type Suggested = Pick<InitOptions, 'name' | 'url' | 'tokenId'>;

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
  const drafts: Draft[] = [];
  do {
    const taken = [...existing.names, ...drafts.map(({ name }) => name)];
    const draft = await questions.cluster(taken, drafts.length === 0 ? suggested : {});
    if (draft !== undefined) drafts.push(draft);
  } while (drafts.length === 0 || (await questions.confirm('Add another cluster?', false)));
  clack.outro('Thank you.', streams);
  return drafts;
}

/** What is to become of a cluster whose test failed. */
type AfterFailure = 'again' | 'keep';

class Questions {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** One cluster, tested; undefined where the person wants to enter it again. */
  async cluster(taken: readonly string[], { name, url, tokenId }: Suggested): Promise<Draft | undefined> {
    const chosenName = await this.#text('Name of the cluster', name ?? 'production', checkName);
    if (
      taken.includes(chosenName) &&
      !(await this.confirm(`${chosenName} is there already. Replace it?`, false))
    ) {
      return undefined;
    }
    const chosenUrl = await this.#text('Address of one of its nodes (host:port)', url, checkUrl);
    const chosenToken = await this.#text(
      'API token (user@realm!name)',
      tokenId ?? 'mcp@pve!mcp',
      checkTokenId,
    );
    const secret = await this.#answer(
      clack.password({ message: 'Secret of the token', validate: checkSecret, ...this.#streams }),
    );
    const tls = await this.#tls(chosenUrl);
    const draft = makeDraft(chosenName, chosenUrl, chosenToken, secret, tls);
    return (await this.#test(draft)) === 'keep' ? draft : undefined;
  }

  async confirm(message: string, initialValue: boolean): Promise<boolean> {
    return await this.#answer(clack.confirm({ message, initialValue, ...this.#streams }));
  }

  async #tls(url: string): Promise<Pick<ClusterEntry, 'fingerprint' | 'ca_file' | 'verify_ssl'>> {
    const shown = await this.#certificate(url);
    const choice = await this.#answer(
      clack.select({
        message: 'How is its certificate to be verified?',
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
      return { ca_file: resolve(await this.#text('Path of the CA file', undefined, checkNotEmpty)) };
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
