import { resolve } from 'node:path';
import { checkCluster } from './check-cluster.ts';
import { CliError, EXIT } from './failure.ts';
import type { InitOptions } from './init.ts';
import { configOf, type Draft, draftFromOptions } from './init-draft.ts';
import { type ExistingFile, readExisting, writeClusters, writeEnvFile } from './init-files.ts';
import { askDrafts } from './init-questions.ts';
import { print, printAside, styled } from './output.ts';
import { showProgress } from './progress.ts';
import { selfCommand } from './self-command.ts';

/** Collects clusters, by questions or from the options, and writes at the very end. */
export async function runInit(options: InitOptions): Promise<void> {
  const folder = resolve(options.dir);
  const existing = readExisting(folder);
  const drafts = options.yes
    ? [await fromOptions(options, existing)]
    : await fromQuestions(options, existing);
  writeClusters(existing, new Map(drafts.map(({ name, entry }) => [name, entry])));
  const freshSecret = writeEnvFile(folder);
  print(nextSteps(folder, existing.path, drafts, freshSecret));
}

async function fromOptions(options: InitOptions, existing: ExistingFile): Promise<Draft> {
  const draft = await draftFromOptions(options);
  if (existing.names.includes(draft.name) && !options.force) {
    throw new CliError(`${existing.path} describes a cluster ${draft.name} already; nothing was written.`, {
      fix: 'Replace it with --force, or choose another --name.',
    });
  }
  const config = configOf(draft);
  if (options.skipTest) return draft;
  using _progress = showProgress(`Trying ${draft.entry.url}`);
  const { endpoints, problems } = await checkCluster(config, false);
  const failed = endpoints.find(({ problem }) => problem !== undefined)?.problem;
  if (failed !== undefined) {
    throw new CliError(`${failed.message} Nothing was written.`, {
      fix: `${failed.fix}\nTo write all the same, add --skip-test.`,
    });
  }
  for (const { message, fix } of problems) printAside(`${message}\n  ${fix}`);
  return draft;
}

async function fromQuestions(options: InitOptions, existing: ExistingFile): Promise<Draft[]> {
  if (process.stdin.isTTY && process.stdout.isTTY) return await askDrafts(existing, options);
  throw new CliError('init asks questions, and there is no terminal to ask on.', {
    exitCode: EXIT.usage,
    fix: 'Give everything as options and add --yes; see: proxmox-mcp init --help',
  });
}

function nextSteps(
  folder: string,
  clustersPath: string,
  drafts: readonly Draft[],
  freshSecret: boolean,
): string {
  const self = selfCommand({ cwd: folder });
  const names = drafts.map(({ name }) => name).join(', ');
  const inFolder = folder === process.cwd() ? '' : `  cd ${folder}\n`;
  return [
    `Wrote ${names} to ${clustersPath} (mode 600).`,
    freshSecret
      ? `Wrote a fresh MCP_JWT_SECRET to ${resolve(folder, '.env')} (mode 600).`
      : `Left ${resolve(folder, '.env')} as it is: it says already how clients authenticate.`,
    '',
    styled('bold', 'Next'),
    `${inFolder}  ${self} check`,
    `  ${self} serve`,
    `  ${self} token --subject YOU --scope "proxmox:read proxmox:change"`,
  ].join('\n');
}
