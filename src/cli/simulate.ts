import { type Command, InvalidArgumentError } from 'commander';
import { examples, portOption, secondsOption } from './options.ts';
import { FAULT_HELP } from './simulate-help.ts';

export interface SimulateOptions {
  host: string;
  port?: number;
  taskSeconds: number;
  lag: number;
  schema?: string;
  seed?: string;
  save?: string;
  guests?: number;
  fault?: string[];
  json?: boolean;
}

const MOST_GUESTS = 100_000;

export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description(
      'Start only simulated Proxmox VE clusters, those of the demo or your own, to point any client at.',
    )
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <first>', 'first port; each node takes the next one (default: free ones)', portOption)
    .option('--task-seconds <n>', 'how long a task runs', secondsOption(3600), 2)
    .option('--lag <seconds>', 'how long the inventory may lag behind the guests', secondsOption(3600), 10)
    .option('--schema <file>', "the API they have: a host's apidoc.js, or the tree in it as JSON")
    .option('--seed <file>', 'the clusters, as --save has written them or as you have')
    .option('--save <file>', 'where to write the clusters at the end, secrets included (mode 600)')
    .option('--guests <n>', 'one cluster with so many guests, in place of those of the demo', guestsOption)
    .option('--fault <spec>', 'something that goes wrong; repeatable, see below', collect)
    .option('--json', 'print the clusters as one line of JSON and nothing else')
    .action(async (options: SimulateOptions) => {
      const { runSimulate } = await import('./simulate-run.ts');
      await runSimulate(options);
    });
  examples(command, [
    'proxmox-mcp simulate',
    'proxmox-mcp simulate --port 18006 --task-seconds 0',
    'proxmox-mcp simulate --json > clusters-access.json &',
    'proxmox-mcp simulate --save lab.json              # and next time: --seed lab.json --save lab.json',
    'proxmox-mcp simulate --guests 10000 --fault storm:rate=0.1',
    "proxmox-mcp simulate --fault 'hang:POST /nodes/*/qemu/*/status/*:times=1' --fault storage-full:storage=nas",
  ]);
  command.addHelpText('after', FAULT_HELP);
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

function guestsOption(text: string): number {
  const guests = Number(text);
  if (/^\d+$/.test(text) && guests >= 1 && guests <= MOST_GUESTS) return guests;
  throw new InvalidArgumentError(`It must be a number of guests from 1 to ${MOST_GUESTS}.`);
}
