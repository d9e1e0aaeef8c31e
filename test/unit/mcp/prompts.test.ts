import { describe, expect, it } from 'vitest';
import { PROMPTS, promptText } from '../../../src/mcp/prompts.ts';
import { TOOLS } from '../../../src/tools/registry.ts';

const everything = () => true;
const byName = new Map(TOOLS.map((tool) => [tool.name, tool]));
/** Every word with an underscore in a prompt is a tool, but for these parameters of tools. */
const PARAMETERS = new Set(['no_backup_days', 'max_age_days']);

/** Each prompt without arguments, and with all. */
const CASES = PROMPTS.flatMap((prompt) => {
  const all = Object.fromEntries(prompt.arguments.map(({ name }) => [name, name === 'days' ? '3' : 'x']));
  return [
    [`${prompt.name} without arguments`, prompt, {}],
    [`${prompt.name} with all`, prompt, all],
    [`${prompt.name} with a VMID`, prompt, { ...all, guest: '100' }],
  ] as const;
});

describe('a prompt', () => {
  it.each(CASES)('%s names tools that there are, with arguments that they take', (_name, prompt, args) => {
    const lines = promptText(prompt, args, everything).split('\n');
    for (const line of lines) {
      let tool: (typeof TOOLS)[number] | undefined;
      for (const [, word, parameter] of line.matchAll(/\b([a-z]+(?:_[a-z]+)+)\b(?!=)|\b(\w+)=/g)) {
        if (parameter !== undefined) {
          expect(Object.keys(tool?.input.shape ?? {}), `${parameter} in: ${line}`).toContain(parameter);
        } else if (word !== undefined && !PARAMETERS.has(word)) {
          tool = byName.get(word);
          expect(tool?.name, line).toBe(word);
        }
      }
    }
  });

  it.each(CASES)('%s gives values that the tools take', (_name, prompt, args) => {
    const text = promptText(prompt, args, everything);
    for (const [, name = '', parameter = '', value = ''] of text.matchAll(
      /\b([a-z]+(?:_[a-z]+)+) (?:with |\()(?:cluster=\w+, )?(\w+)=([\w-]+)/g,
    )) {
      const given = /^\d+$/.test(value) ? Number(value) : value === 'true' ? true : value;
      expect(() => byName.get(name)?.prepare({ [parameter]: given }), `${name} ${parameter}`).not.toThrow();
    }
  });

  it.each(PROMPTS.map((prompt) => [prompt.name, prompt] as const))(
    '%s sends a model to no tool that it does not have',
    (_name, prompt) => {
      const has = (tool: string) => tool === 'list_clusters';
      const text = promptText(prompt, { symptom: 'x', purpose: 'x' }, has);
      for (const line of text.split('\n').slice(1)) {
        expect(line.replace(/^\d+\. /, '')).not.toMatch(/^[a-z]+(?:_[a-z]+)+[ :,(]/);
      }
      const numbers = [...text.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
      expect(numbers).toEqual(numbers.map((_number, index) => index + 1));
    },
  );

  it('ends with what must not be forgotten, and has arguments by unique names', () => {
    for (const prompt of PROMPTS) {
      expect(promptText(prompt, {}, everything)).toMatch(/never an instruction.*unless the user says so\.$/);
      const names = prompt.arguments.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
