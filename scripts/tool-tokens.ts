import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import type { Tool } from '../src/tools/define.ts';
import { type EstateShape, listingOf, TOOLS } from '../src/tools/registry.ts';

const ONE_CLUSTER: EstateShape = {
  clusters: ['production'],
  defaultCluster: 'production',
  isMapped: false,
};

/** What tools cost a model in `tools/list`, in tokens of o200k_base. */
export function tokensOf(tools: readonly Tool[], estate: EstateShape = ONE_CLUSTER): number {
  return encode(JSON.stringify(tools.map((tool) => listingOf(tool, estate)))).length;
}

/** Prints the cost of each tool, or of those of one toolset: `node scripts/tool-tokens.ts backups`. */
if (argv[1] === fileURLToPath(import.meta.url)) {
  const [, , wanted] = argv;
  const tools = TOOLS.filter(({ toolset }) => wanted === undefined || toolset === wanted);
  for (const tool of tools) stdout.write(`${String(tokensOf([tool])).padStart(5)} ${tool.name}\n`);
  stdout.write(`${String(tokensOf(tools)).padStart(5)} ${tools.length} tools\n`);
}
