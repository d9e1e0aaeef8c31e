import { readFile, writeFile } from 'node:fs/promises';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { riskOf } from '../src/catalogue/risk.ts';
import { RISKS } from '../src/catalogue/types.ts';
import { DEFAULT_TOOLSETS, TOOLSETS } from '../src/config/toolsets.ts';
import type { Tool } from '../src/tools/define.ts';
import { TOOLS } from '../src/tools/registry.ts';
import { tokensOf } from './tool-tokens.ts';

const README = new URL('../README.md', import.meta.url);
const BEGIN = '<!-- tools:begin, made by `npm run docs` -->';
const END = '<!-- tools:end -->';

/** Gives the README's text with the tables of toolsets and tools made anew. */
export function withToolTable(readme: string): string {
  const before = readme.slice(0, readme.indexOf(BEGIN) + BEGIN.length);
  const after = readme.slice(readme.indexOf(END));
  const all = `<details><summary>All ${TOOLS.length} tools, with what they call</summary>\n\n${toolTable()}\n\n</details>`;
  return `${before}\n${toolsetTable()}\n\n${all}\n${after}`;
}

function toolsetTable(): string {
  const rows = TOOLSETS.map((toolset) => {
    const tools = TOOLS.filter((tool) => tool.toolset === toolset);
    const on = DEFAULT_TOOLSETS.includes(toolset) ? 'yes' : '';
    const names = tools.map(({ name }) => `\`${name}\``).join(', ');
    return `| \`${toolset}\` | ${on} | ${tokensOf(tools)} | ${names} |`;
  });
  return ['| toolset | default | tokens | tools |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function toolTable(): string {
  const rows = TOOLS.map((tool) => {
    const { name, toolset, description } = tool;
    return `| \`${name}\` | ${toolset} | ${risksOf(tool)} | ${firstSentence(description)} | ${endpointsOf(tool)} |`;
  });
  return ['| tool | toolset | risk | | endpoints |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

/** The risks of what a tool calls, whatever the parameters: these may raise or ease it. */
function risksOf({ calls, annotations }: Tool): string {
  if (calls.length === 0) return annotations.readOnlyHint ? 'read' : 'that of the call';
  const risks = new Set(calls.flatMap(([method, path]) => riskOf(method, path).risks));
  return RISKS.filter((risk) => risks.has(risk) && (risk !== 'read' || risks.size === 1)).join(', ');
}

function endpointsOf({ calls, annotations }: Tool): string {
  if (calls.length === 0) return annotations.readOnlyHint ? 'none' : 'any';
  return [...new Set(calls.map(([method, path]) => `\`${method} ${path}\``))].join('<br>');
}

function firstSentence(text: string): string {
  return /^.*?\.(?= |$)/.exec(text)?.[0] ?? text;
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(README, withToolTable(await readFile(README, 'utf8')));
}
