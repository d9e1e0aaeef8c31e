import { readFile, writeFile } from 'node:fs/promises';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { TOOLS } from '../src/tools/registry.ts';

const README = new URL('../README.md', import.meta.url);
const BEGIN = '<!-- tools:begin, made by `npm run docs` -->';
const END = '<!-- tools:end -->';

/** Gives the README's text with the table of tools made anew. */
export function withToolTable(readme: string): string {
  const before = readme.slice(0, readme.indexOf(BEGIN) + BEGIN.length);
  const after = readme.slice(readme.indexOf(END));
  const rows = TOOLS.map(({ name, toolset, annotations, description, input }) => {
    const args = Object.keys(input.shape).map((argument) => `\`${argument}\``);
    const kind = annotations.readOnlyHint ? 'reads' : 'changes';
    return `| \`${name}\` | ${toolset} | ${kind} | ${args.join(', ')} | ${firstSentence(description)} |`;
  });
  const table = ['| tool | toolset | | arguments | |', '| --- | --- | --- | --- | --- |', ...rows];
  return `${before}\n${table.join('\n')}\n${after}`;
}

function firstSentence(text: string): string {
  return /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(README, withToolTable(await readFile(README, 'utf8')));
}
