import type { Catalogue } from '../../src/catalogue/catalogue.ts';
import { findParameter } from '../../src/catalogue/parameter-lookup.ts';
import type { Tool } from '../../src/tools/define.ts';
import type { CheckReport } from './catalogue.ts';
import { isNewer } from './newer.ts';

/** Holds the calls that the tools declare against a schema: every method is there, and every parameter. */
export function checkTools(tools: readonly Tool[], official: Catalogue): CheckReport {
  const calls = tools.flatMap((tool) => tool.calls.map((call) => ({ tool: tool.name, call })));
  const parameters = calls.reduce((sum, { call }) => sum + call.length - 2, 0);
  // One with HA rules is of 9.x.
  const isOld = official.get('GET', '/cluster/ha/rules') === undefined;
  return {
    title: 'tools',
    figures: [`${tools.length} tools, ${calls.length} declared calls, ${parameters} parameters`],
    differences: calls
      .flatMap(({ tool, call: [method, path, ...names] }) => {
        const found = official.get(method, path);
        if (!found) return [`${tool}: ${method} ${path} does not exist`];
        return names
          .filter((name) => findParameter(found, name) === undefined)
          .map((name) => `${tool}: ${method} ${path} takes no ${name}`);
      })
      .filter((line) => !(isOld && isNewer(line))),
  };
}
