import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { ConfigError } from '../config/problems.ts';
import { Redaction } from '../observability/redaction.ts';
import { addAlerts } from './alerts.ts';
import { addApprovals } from './approvals.ts';
import { addAudit } from './audit.ts';
import { addCall } from './call.ts';
import { addCheck } from './check.ts';
import { addConfig } from './config.ts';
import { addDemo } from './demo.ts';
import { CliError, EXIT } from './failure.ts';
import { addInit } from './init.ts';
import { addKeys } from './keys.ts';
import { examples } from './options.ts';
import { printAside, styled } from './output.ts';
import { addPolicy } from './policy.ts';
import { addSecrets } from './secrets.ts';
import { addServe } from './serve.ts';
import { addSimulate } from './simulate.ts';
import { addStdio } from './stdio.ts';
import { addToken } from './token.ts';

/** Runs one command line. Sets the exit code and returns; a server goes on until it is told to stop. */
export async function run(argv: readonly string[]): Promise<void> {
  // `proxmox-mcp … | head` closes the pipe early: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  try {
    await buildProgram().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Each command is a small file that loads what it needs only when it is run, so that help and `token` are quick. */
export function buildProgram(): Command {
  const program = new Command('proxmox-mcp')
    .description(
      'Lets AI assistants work several Proxmox VE clusters safely, over the Model Context Protocol.',
    )
    .version(version())
    .exitOverride();
  examples(program, [
    'proxmox-mcp demo                      # try it: simulated clusters and the service',
    'proxmox-mcp init                      # describe your clusters, then:',
    'proxmox-mcp check                     # is every cluster reached, with the right privileges?',
    'proxmox-mcp serve',
    'proxmox-mcp token --subject alice --scope proxmox:read',
  ]);
  for (const add of [
    addServe,
    addStdio,
    addDemo,
    addSimulate,
    addInit,
    addCheck,
    addConfig,
    addToken,
    addPolicy,
    addKeys,
    addSecrets,
    addApprovals,
    addAlerts,
    addAudit,
    addCall,
  ]) {
    add(program);
  }
  return program;
}

/** Says what went wrong on standard error. @returns the exit code */
function report(error: unknown): number {
  const withoutSecrets = new Redaction();
  if (error instanceof CommanderError) {
    // Commander has printed its message, or the help that was asked for.
    return error.exitCode === 0 ? 0 : EXIT.usage;
  }
  if (error instanceof ConfigError) {
    printAside(withoutSecrets.text(error.message));
    return EXIT.usage;
  }
  if (error instanceof CliError) {
    printAside(`${styled('red', 'error:', process.stderr)} ${withoutSecrets.text(error.message)}`);
    if (error.fix !== undefined) printAside(error.fix);
    return error.exitCode;
  }
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  printAside(withoutSecrets.text(`unexpected failure: ${details}`));
  return EXIT.failed;
}

function version(): string {
  // Read here and not from mcp/identity.ts, which loads zod: `--help` should not wait for that.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return String((manifest as { version?: unknown }).version);
}
