import { type Command, InvalidArgumentError } from 'commander';

/** Adds examples below a command's help. A line behind a `\` continues it, and is pasted with it. */
export function examples(command: Command, lines: readonly string[]): void {
  const shown = lines.map((line, index) => `  ${lines[index - 1]?.endsWith('\\') ? '' : '$ '}${line}`);
  command.addHelpText('after', ['', 'Examples:', ...shown].join('\n'));
}

/** Reads a port for commander: 0 asks for a free one. */
export function portOption(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('It must be a port from 1 to 65535, or 0 for a free one.');
}

/** Makes a reader of a number of seconds for commander. */
export function secondsOption(most: number): (text: string) => number {
  return (text) => {
    const seconds = Number(text);
    if (text.trim() !== '' && seconds >= 0 && seconds <= most) return seconds;
    throw new InvalidArgumentError(`It must be a number of seconds from 0 to ${most}.`);
  };
}
