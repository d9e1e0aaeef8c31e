import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../../src/cli/program.ts';

const COMMANDS = [
  'serve',
  'stdio',
  'demo',
  'simulate',
  'init',
  'check',
  'config',
  'token',
  'policy',
  'keys',
  'secrets',
  'approvals',
  'alerts',
  'audit',
  'call',
];

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe('help', () => {
  it('lists every command', () => {
    expect(buildProgram().commands.map((command) => command.name())).toEqual(COMMANDS);
    expect(helpOf(buildProgram())).toMatch(/Examples:\n {2}\$ proxmox-mcp demo/);
  });

  it.each(COMMANDS)('%s says what it does and shows an example of itself', (name) => {
    const command = buildProgram().commands.find((candidate) => candidate.name() === name);
    const help = command ? helpOf(command) : '';
    expect(command?.description()).toMatch(/^[A-Z].{30,}\.$/);
    expect(help.slice(help.indexOf('Examples:'))).toMatch(new RegExp(`\\$ .*\\bproxmox-mcp ${name}\\b`));
  });

  it('shows an example of several lines as it can be pasted', () => {
    const init = buildProgram().commands.find((command) => command.name() === 'init');
    expect(init && helpOf(init)).toMatch(/\\\n {4,}--token-secret-file/);
  });

  it.each(COMMANDS)('%s gives only options that exist in its examples', (name) => {
    const command = buildProgram().commands.find((candidate) => candidate.name() === name);
    const known = [command, ...(command?.commands ?? [])].flatMap((one) =>
      (one?.options ?? []).flatMap(({ long, short }) => [long, short]),
    );
    const examples = command ? helpOf(command).split('Examples:')[1] : '';
    const own = [...(examples ?? '').matchAll(/(?<=\s)--[a-z][a-z-]*(?=[\s=])/g)].map(([flag]) => flag);
    expect(own.filter((flag) => !known.includes(flag))).toEqual([]);
  });
});
