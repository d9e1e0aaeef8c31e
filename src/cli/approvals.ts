import { type Command, InvalidArgumentError } from 'commander';
import { examples } from './options.ts';

/** How every one of these commands reaches the service, and as whom. */
export interface ApproverOptions {
  url?: string;
  token?: string;
  json?: boolean;
}

export interface DecideOptions extends ApproverOptions {
  reason?: string;
  yes?: boolean;
}

export function addApprovals(program: Command): void {
  const command = program
    .command('approvals')
    .description('See the plans that wait for a person, and approve or deny them.');
  command.addHelpText('after', OF_ONES_OWN);
  examples(command, [
    'proxmox-mcp approvals list',
    'proxmox-mcp approvals show 17',
    'proxmox-mcp approvals approve 17',
    'proxmox-mcp approvals deny 17 --reason "not before the backup"',
  ]);
  reaching(command.command('list').description('List the plans that wait, the oldest first.')).action(
    async (options: ApproverOptions) => {
      const { runList } = await import('./approvals-run.ts');
      await runList(options);
    },
  );
  reaching(
    command
      .command('show')
      .description('Show one plan whole: what is sent, what is lost, what depends on it, how to go back.')
      .argument('<number>', 'number of the plan', planNumber),
  ).action(async (number: number, options: ApproverOptions) => {
    const { runShow } = await import('./approvals-run.ts');
    await runShow(number, options);
  });
  reaching(
    command
      .command('approve')
      .description('Show a plan, ask, and approve it: the same call then goes through, once.')
      .argument('<number>', 'number of the plan', planNumber)
      .option('--reason <text>', 'why; stands in the record')
      .option('--yes', 'do not ask; for scripts that have looked at the plan themselves'),
  ).action(async (number: number, options: DecideOptions) => {
    const { runApprove } = await import('./approvals-run.ts');
    await runApprove(number, options);
  });
  reaching(
    command
      .command('deny')
      .description('Deny a plan: the same call is refused until the plan expires.')
      .argument('<number>', 'number of the plan', planNumber)
      .option('--reason <text>', 'why; the assistant is told'),
  ).action(async (number: number, options: DecideOptions) => {
    const { runDeny } = await import('./approvals-run.ts');
    await runDeny(number, options);
  });
}

const OF_ONES_OWN = `
The token has to be your own and hold proxmox:approve, which proxmox:admin does not include:
  $ proxmox-mcp token --subject YOU --scope proxmox:approve --lifetime 12h
MCP_TOKEN is never used here. Keep the approver's token where no assistant can read it.`;

function reaching(command: Command): Command {
  return command
    .option('--url <url>', 'the service (default: http://127.0.0.1:$MCP_PORT/mcp, port 8000)')
    .option(
      '--token <token>',
      "the approver's token; better in MCP_APPROVER_TOKEN, where other users of the machine do not see it",
    )
    .option('--json', 'print the answer as one line of JSON');
}

function planNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of a plan, such as 17.');
}
