import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { projectFile, ROOT, serviceVariables } from './project.ts';

const UNIT = 'deploy/systemd/proxmox-mcp.service';
/** 0 is a service that may do nothing, 10 one that may do all; below 2 systemd calls it OK. */
const MOST_EXPOSURE = 1.6;

const text = projectFile(UNIT);
const version = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '';
const isThere = Number(/systemd (\d+)/.exec(version)?.[1] ?? 0) >= 250;

const analyze = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, join(ROOT, UNIT)], {
    encoding: 'utf8',
  });
  return { status, said: stdout + stderr };
};

describe(UNIT, () => {
  beforeEach(({ skip, task }) =>
    skip(!isThere && task.name.includes('systemd'), 'there is no systemd-analyze here'),
  );

  it('is a unit that systemd can read, with nothing in it that it ignores', () => {
    // That there is no Node where it will be is said too, and is nothing about the unit.
    const { said } = analyze('verify');
    const problems = said
      .split('\n')
      .filter((line) => line !== '' && !/is not executable|Command .* not found/.test(line));
    expect(problems).toEqual([]);
  });

  it('is locked down as systemd measures it', () => {
    const { said } = analyze('security', '--offline=yes', '--no-pager');
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeLessThanOrEqual(MOST_EXPOSURE);
    expect(
      analyze('security', '--offline=yes', '--no-pager', `--threshold=${MOST_EXPOSURE * 10}`).status,
    ).toBe(0);
  });

  it('sets only variables that the service reads', () => {
    const known = new Set([...serviceVariables(), 'NODE_ENV']);
    for (const name of [...known]) known.add(`${name}_FILE`);
    const names = [...text.matchAll(/^Environment=(\w+)=/gm)].map((match) => match[1] ?? '');
    expect(names.length).toBeGreaterThan(4);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it('hands each secret over as a credential, and names none that it does not have', () => {
    const loaded = [...text.matchAll(/^LoadCredential=([\w.]+):/gm)].map((match) => match[1]);
    const used = [...text.matchAll(/=%d\/(\S+)$/gm)].map((match) => match[1]);
    expect(loaded.sort()).toEqual(used.sort());
    expect(text).not.toMatch(/^Environment=\S*(?:SECRET|TOKEN|KEY)=/m);
  });

  it('starts what the image starts, writes only where it may, and lets calls end', () => {
    const entry = JSON.parse(
      /^ENTRYPOINT (\[.*\])$/m.exec(projectFile('Dockerfile'))?.[1] ?? '[]',
    ) as string[];
    const flags = entry.filter((word) => word.startsWith('--')).join(' ');
    expect(text).toContain(`ExecStart=/usr/bin/node ${flags} /opt/proxmox-mcp/dist/main.js serve`);
    const written = [...text.matchAll(/^Environment=(?:STATE_FILE|AUDIT_FILE|CACHE_DIR)=(\S+)$/gm)].map(
      (match) => match[1],
    );
    expect(written).toHaveLength(3);
    for (const path of written) expect(path).toMatch(/^\/var\/(?:lib|cache)\/proxmox-mcp(?:\/|$)/);
    // V8 compiles to memory that it then runs.
    expect(text).not.toMatch(/^MemoryDenyWriteExecute=yes/m);
    const limit = Number(/LIMIT_MS = (\d+)_000/.exec(projectFile('src/cli/shutdown.ts'))?.[1]);
    expect(Number(/^TimeoutStopSec=(\d+)s$/m.exec(text)?.[1])).toBeGreaterThan(limit);
  });
});
