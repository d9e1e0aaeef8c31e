import type { Command } from 'commander';
import { usageError } from './failure.ts';
import { examples } from './options.ts';

export interface PolicyFileOptions {
  file?: string;
  json?: boolean;
}

/** Who is asked about. */
export interface AsOptions extends PolicyFileOptions {
  as: string;
  group: string[];
  client?: string;
  scope: string;
}

export interface TestOptions extends AsOptions {
  cluster?: string;
  guest: string[];
  tool: string;
  bulk?: string;
  readOnly?: boolean;
}

export function addPolicy(program: Command): void {
  const command = program
    .command('policy')
    .description('Check the policy of POLICY_FILE, show who may do what, and explain a decision.');
  examples(command, [
    'proxmox-mcp policy check',
    'proxmox-mcp policy test --as alice POST /nodes/pve1/qemu/100/status/stop',
    'proxmox-mcp policy show --as alice --group ops',
  ]);
  addCheck(command);
  addShow(command);
  addTest(command);
}

function addCheck(parent: Command): void {
  const command = parent
    .command('check')
    .description('Check the file and say in short who gets what. Ends with 2 where the file is wrong.')
    .argument('[file]', 'the policy to check, as with --file')
    .option('--file <path>', 'the policy to check; POLICY_FILE unless given')
    .option('--json', 'print it as one line of JSON')
    .action(async (file: string | undefined, options: PolicyFileOptions) => {
      if (file !== undefined && options.file !== undefined) throw usageError('Give the file once.');
      const { runPolicyCheck } = await import('./policy-run.ts');
      runPolicyCheck(file === undefined ? options : { ...options, file });
    });
  examples(command, ['proxmox-mcp policy check', 'proxmox-mcp policy check policy.json']);
}

function addShow(parent: Command): void {
  const command = asOptions(parent.command('show'))
    .description('Print what the policy says of one principal: entries, rules, tenant, limits and tools.')
    .action(async (options: AsOptions) => {
      const { runPolicyShow } = await import('./policy-run.ts');
      runPolicyShow(options);
    });
  examples(command, ['proxmox-mcp policy show --as alice --group ops --scope "proxmox:read proxmox:change"']);
}

function addTest(parent: Command): void {
  const command = asOptions(parent.command('test'))
    .description('Explain what the policy says of a call, rule by rule. Nothing is sent.')
    .argument('<method>', 'GET, POST, PUT or DELETE')
    .argument('<path>', 'path of the API, such as /nodes/pve1/qemu/100/status/stop')
    .argument('[parameters...]', 'parameters of the call, as key=value')
    .option('--cluster <name>', 'the cluster of the call; the default one, or the only one, unless given')
    .option(
      '--guest <vmid:name:tags:pool>',
      'what the guest is, such as 100:web-1:web,prod:team-a; once for each guest, later parts may be left out',
      collect,
      [],
    )
    .option('--tool <name>', 'the tool that makes the call', 'proxmox_api_call')
    .option('--bulk <number>', 'how many changes are made at once')
    .option('--read-only', 'as if the request came with X-MCP-Readonly')
    .action(async (method: string, path: string, parameters: string[], options: TestOptions) => {
      const { runPolicyTest } = await import('./policy-test.ts');
      runPolicyTest({ method, path, parameters }, options);
    });
  examples(command, [
    'proxmox-mcp policy test --as alice POST /nodes/pve1/qemu/100/status/stop',
    'proxmox-mcp policy test --as alice --group ops --guest 100:web-1:web:team-a DELETE /nodes/pve1/qemu/100',
    'proxmox-mcp policy test --as ci --scope proxmox:read PUT /nodes/pve1/qemu/100/config delete=scsi1',
  ]);
  command.addHelpText(
    'after',
    '\nEnds with 0 where the call is allowed, with 1 where it is denied, with 2 where it was asked wrongly.',
  );
}

function asOptions(command: Command): Command {
  return command
    .requiredOption('--as <subject>', 'whom to ask about: the subject of a token; `local` for stdio')
    .option('--group <name>', 'a group that the token names; may be repeated', collect, [])
    .option('--client <id>', 'the OAuth client of the token')
    .option('--scope <scopes>', 'scopes of the token, separated by blanks', 'proxmox:admin')
    .option('--file <path>', 'the policy to ask; POLICY_FILE unless given')
    .option('--json', 'print it as one line of JSON');
}

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
