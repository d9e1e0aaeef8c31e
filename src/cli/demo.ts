import type { Command } from 'commander';
import { examples, secondsOption } from './options.ts';

export interface DemoOptions {
  taskSeconds: number;
  json?: boolean;
}

export function addDemo(program: Command): void {
  const command = program
    .command('demo')
    .description(
      'Try everything: three simulated clusters and the service, with tokens and settings to paste.',
    )
    .option('--task-seconds <n>', 'how long a task of a simulated cluster runs', secondsOption(3600), 2)
    .option('--json', 'print URLs, tokens and clusters as one line of JSON and nothing else')
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import('./demo-run.ts');
      await runDemo(options);
    });
  examples(command, [
    'proxmox-mcp demo',
    'MCP_PORT=9000 proxmox-mcp demo --task-seconds 10',
    'MCP_TOOLSETS=all proxmox-mcp demo',
    'proxmox-mcp demo --json > demo.json &   # for scripts: {"url","sse_url","token",…}',
  ]);
}
