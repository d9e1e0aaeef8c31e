import type { Command } from 'commander';
import type { Simulator } from '../simulator/simulator.ts';
import { CliError } from './failure.ts';
import { examples, portOption, secondsOption } from './options.ts';
import { print, printJson, styled } from './output.ts';

interface SimulateOptions {
  host: string;
  port?: number;
  taskSeconds: number;
  json?: boolean;
}

export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('Start only the simulated Proxmox VE clusters of the demo, to point any client at.')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <first>', 'first port; each node takes the next one (default: free ones)', portOption)
    .option('--task-seconds <n>', 'how long a task runs', secondsOption(3600), 2)
    .option('--json', 'print the clusters as one line of JSON and nothing else')
    .action(simulate);
  examples(command, [
    'proxmox-mcp simulate',
    'proxmox-mcp simulate --port 18006 --task-seconds 0',
    'proxmox-mcp simulate --json > clusters-access.json &',
  ]);
}

async function simulate({ host, port, taskSeconds, json }: SimulateOptions): Promise<void> {
  const [{ startSimulator }, { DEMO_ESTATE }, { accessOf, clustersFileOf }, { stopOnSignal }] =
    await Promise.all([
      import('../simulator/simulator.ts'),
      import('../simulator/estate.ts'),
      import('./simulated.ts'),
      import('./shutdown.ts'),
    ]);
  const nodes = DEMO_ESTATE.flatMap((cluster) => cluster.nodes);
  const ports = port ? nodes.map((_node, index) => port + index) : [];
  const simulator = await startSimulator({ host, ports, taskSeconds }).catch((error: unknown) => {
    throw startError(error, host);
  });
  stopOnSignal(() => simulator.close());
  if (json) printJson({ clusters: simulator.clusters.map(accessOf) });
  else print(textOf(simulator, clustersFileOf(simulator.clusters)));
}

function textOf({ clusters }: Simulator, clustersFile: string): string {
  return [
    'Simulated Proxmox VE clusters. Their secrets are made for this run and are worth nothing elsewhere.',
    ...clusters.flatMap((cluster) => [
      '',
      styled('bold', cluster.name),
      `  nodes         ${cluster.endpoints.map((endpoint) => `https://${endpoint}`).join('  ')}`,
      `  token         ${cluster.user}!${cluster.tokenId}=${cluster.tokenSecret}`,
      `  no privileges ${cluster.user}!${cluster.limitedTokenId}=${cluster.limitedTokenSecret}`,
      `  login         ${cluster.user} with the password ${cluster.password}`,
      `  certificate   SHA-256 ${cluster.fingerprint}`,
    ]),
    '',
    styled('bold', 'clusters.json (chmod 600 it)'),
    clustersFile,
    '',
    'Ctrl-C stops it.',
  ].join('\n');
}

function startError(error: unknown, host: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return new CliError('One of the ports for the simulated nodes is in use.', {
      fix: 'Choose another --port, or leave it out to get free ones.',
      cause: error,
    });
  }
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES', 'ERR_SOCKET_BAD_PORT'].includes(String(code))) {
    return new CliError(`The simulated nodes can't listen on ${host} (${String(code)}).`, {
      fix: 'Choose another --host or --port.',
      cause: error,
    });
  }
  return error;
}
