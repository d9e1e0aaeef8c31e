import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type EstateShape, listingOf, TOOLS } from '../../src/tools/registry.ts';

/** Each way in which the tool list looks different. Run with UPDATE_GOLDEN=1 to write the files anew. */
const MODES: Record<string, EstateShape> = {
  'one-cluster': { clusters: ['production'], defaultCluster: 'production', isMapped: false },
  'several-clusters': {
    clusters: ['production', 'staging', 'disaster-recovery'],
    defaultCluster: undefined,
    isMapped: false,
  },
  'several-with-rules': {
    clusters: ['production', 'staging'],
    defaultCluster: undefined,
    isMapped: true,
  },
  'several-with-default': {
    clusters: ['production', 'staging'],
    defaultCluster: 'production',
    isMapped: false,
  },
};

describe('the tool list', () => {
  it.each(Object.entries(MODES))('with %s is the golden one', async (mode, estate) => {
    const file = new URL(`./tools.${mode}.json`, import.meta.url);
    const made = `${JSON.stringify(
      TOOLS.map((tool) => listingOf(tool, estate)),
      null,
      2,
    )}\n`;
    if (process.env.UPDATE_GOLDEN) await writeFile(file, made);
    expect(made).toBe(await readFile(file, 'utf8'));
  });

  it('has a cluster argument only where there are several, required only where nothing selects one', () => {
    const bound = TOOLS.filter((tool) => 'cluster' in tool.input.shape);
    expect(bound.length).toBeGreaterThan(0);
    for (const tool of bound) {
      const inputs = Object.fromEntries(
        Object.entries(MODES).map(([mode, estate]) => [mode, listingOf(tool, estate).inputSchema]),
      );
      expect(inputs['one-cluster']?.properties).not.toHaveProperty('cluster');
      const required: unknown = inputs['several-clusters']?.required ?? [];
      if (tool.withoutCluster === 'all' || tool.withoutCluster === 'lookup')
        expect(required).not.toContain('cluster');
      else expect(required).toContain('cluster');
      expect(inputs['several-with-default']?.properties).toHaveProperty('cluster');
      expect(inputs['several-with-default']?.required ?? []).not.toContain('cluster');
    }
  });

  it('says of every tool what it is: names in snake_case, titles, descriptions, all annotations, closed inputs', () => {
    for (const tool of TOOLS) {
      expect(tool.name).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(tool.title).not.toBe('');
      expect(tool.description.length).toBeGreaterThan(30);
      expect(Object.values(tool.annotations)).toHaveLength(4);
      const listing = listingOf(tool, { clusters: ['a', 'b'], defaultCluster: undefined, isMapped: false });
      expect(listing.inputSchema.additionalProperties).toBe(false);
    }
    expect(new Set(TOOLS.map((tool) => tool.name)).size).toBe(TOOLS.length);
  });
});
