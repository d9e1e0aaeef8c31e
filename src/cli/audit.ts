import { type Command, InvalidArgumentError } from 'commander';
import { examples } from './options.ts';

export interface AuditFileOptions {
  file?: string;
  json?: boolean;
}

export interface AuditVerifyOptions extends AuditFileOptions {
  keyFile: string[];
  head?: string;
  first?: number;
}

export interface AuditSearchOptions extends AuditFileOptions {
  subject?: string;
  cluster?: string;
  tool?: string;
  method?: string;
  path?: string;
  risk?: string;
  outcome?: string;
  since?: string;
  until?: string;
  id?: string;
  text?: string;
  limit: number;
  oldestFirst?: boolean;
}

export interface AuditTailOptions extends AuditFileOptions {
  lines: number;
  follow?: boolean;
}

const FILE = ['--file <path>', 'record to read (default: AUDIT_FILE)'] as const;

export function addAudit(program: Command): void {
  const command = program
    .command('audit')
    .description('Read the record of every call that left for a cluster, and check that nobody altered it.');
  examples(command, [
    'proxmox-mcp audit verify                                # is it as it was written?',
    'proxmox-mcp audit search --subject alice --since 24h    # what did alice do?',
    'proxmox-mcp audit tail --follow                         # what happens now?',
  ]);
  addVerify(command);
  addSearch(command);
  addTail(command);
}

function addVerify(audit: Command): void {
  const command = audit
    .command('verify')
    .description('Check every line of the record, over all its files, and name the first that was altered.')
    .option(...FILE)
    .option(
      '--head <seq:hash>',
      'a line that has to be there, as an earlier run printed it: shows whether the end was cut off',
    )
    .option('--first <seq>', 'number of the first line, where older files were taken away', countOption)
    .option(
      '--key-file <path>',
      'file with a key of the record, beside AUDIT_KEY; once for each key it was written with',
      (path: string, paths: string[]) => [...paths, path],
      [],
    )
    .option('--json', 'print the findings as one line of JSON')
    .action(async (options: AuditVerifyOptions) => {
      const { runVerify } = await import('./audit-verify.ts');
      await runVerify(options);
    });
  examples(command, [
    'proxmox-mcp audit verify',
    'proxmox-mcp audit verify --file /backup/audit.jsonl --head 4711:5f0c…',
    'proxmox-mcp audit verify --json | jq .finding',
  ]);
  command.addHelpText(
    'after',
    '\nExit codes: 0 nothing is wrong, 1 something is, 2 wrong usage or no record.',
  );
}

function addSearch(audit: Command): void {
  const command = audit
    .command('search')
    .description('Find calls in the record: each with what became of it, newest first.')
    .option(...FILE)
    .option('--subject <name>', 'who called')
    .option('--cluster <name>', 'which cluster')
    .option('--tool <name>', 'through which tool')
    .option('--method <verb>', 'GET, POST, PUT or DELETE')
    .option('--path <glob>', "API path, with * for any characters: '/nodes/*/qemu/100/*'")
    .option('--risk <risk>', 'read, change, destroy, execute or secret')
    .option('--outcome <code>', 'ok, an error code such as TIMEOUT, or none for calls without an end')
    .option('--since <time>', 'from then on: 90m, 24h, 7d or 2026-11-21T08:00:00Z')
    .option('--until <time>', 'before then; written as --since')
    .option('--id <id>', 'id of the call, or of the request')
    .option('--text <text>', 'anywhere in what is recorded of a call')
    .option('--limit <number>', 'how many to show', countOption, 50)
    .option('--oldest-first', 'begin with the oldest')
    .option('--json', 'print everything that is recorded of each call, as one line of JSON')
    .action(async (options: AuditSearchOptions) => {
      const { runSearch } = await import('./audit-search.ts');
      await runSearch(options);
    });
  examples(command, [
    'proxmox-mcp audit search --risk destroy --since 7d',
    "proxmox-mcp audit search --cluster production --path '/nodes/*/qemu/100/*'",
    'proxmox-mcp audit search --outcome none     # what was in flight when the service ended?',
  ]);
}

function addTail(audit: Command): void {
  const command = audit
    .command('tail')
    .description('Show the last calls of the record, and with --follow those that come.')
    .option(...FILE)
    .option('-n, --lines <number>', 'how many calls and events; with --json, lines', countOption, 20)
    .option('-f, --follow', 'go on until Ctrl-C')
    .option('--json', 'print the lines as they stand in the file, for a log collector')
    .action(async (options: AuditTailOptions) => {
      const { runTail } = await import('./audit-tail.ts');
      await runTail(options);
    });
  examples(command, ['proxmox-mcp audit tail --follow', 'proxmox-mcp audit tail --lines 1 --json']);
}

const MOST = 1_000_000_000_000;

function countOption(text: string): number {
  const number = Number(text);
  if (/^\d{1,13}$/.test(text) && number >= 1 && number <= MOST) return number;
  throw new InvalidArgumentError('It must be a whole number from 1 on.');
}
