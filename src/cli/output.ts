import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

/** One line, or several, on standard output: what the command was asked for. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** On standard error: what a person should know beside the result. */
export function printAside(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A value as one line of JSON on standard output, for machines. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Colours a text where the stream is a terminal and NO_COLOR is not set. */
export function styled(format: Format, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(format, text, { stream });
}
