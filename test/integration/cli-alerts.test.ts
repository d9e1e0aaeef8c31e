import { expect, it, onTestFinished } from 'vitest';
import { HOOK_SECRET, Receiver } from '../support/alert-site.ts';
import { fileWith, folderWith } from '../support/config-folder.ts';
import { runCli } from './cli-process.ts';

it('sends a test alert, and says what came back without the address', async () => {
  const hook = await Receiver.start();
  onTestFinished(() => hook.close());
  const cwd = folderWith({ 'clusters.json': fileWith() });
  const env = { ALERT_WEBHOOK_URL: hook.url, ALERT_WEBHOOK_SECRET: HOOK_SECRET };
  expect(await runCli(['alerts', 'test'], { cwd, env })).toMatchObject({
    code: 0,
    stdout: 'The webhook took the test alert (HTTP 204); it was signed.\n',
  });
  expect(hook.sent).toMatchObject([{ body: { test: true, text: expect.stringMatching(/^This is a test/) } }]);

  hook.status = 403;
  const refused = await runCli(['alerts', 'test', '--json'], { cwd, env: { ALERT_WEBHOOK_URL: hook.url } });
  expect(refused).toMatchObject({
    code: 3,
    stdout: '{"taken":false,"signed":false,"status":403}\n',
    stderr: expect.stringContaining('answered HTTP 403'),
  });
  expect(JSON.stringify(refused)).not.toContain('canary-of-the-path');
});
