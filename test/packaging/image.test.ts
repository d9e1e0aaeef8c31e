import { get, type IncomingMessage } from 'node:http';
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { projectFile, ROOT } from './project.ts';

const IMAGE = 'proxmox-mcp:test';

const engine = await getContainerRuntimeClient().catch(() => undefined);

/** As docker-compose.yml starts it; testcontainers has no method for a read-only root. */
class LockedContainer extends GenericContainer {
  constructor() {
    super(IMAGE);
    this.hostConfig.ReadonlyRootfs = true;
    this.withTmpFs({ '/tmp': 'rw,mode=1777' })
      .withDroppedCapabilities('ALL')
      .withSecurityOpt('no-new-privileges:true')
      .withExposedPorts(8000)
      .withWaitStrategy(Wait.forHealthCheck())
      .withStartupTimeout(90_000);
  }
}

describe('the image', () => {
  let container: StartedTestContainer | undefined;
  const started = (): StartedTestContainer => {
    if (container === undefined) throw new Error('the container did not start');
    return container;
  };
  const node = (script: string) => started().exec(['node', '-e', script]);

  beforeAll(async () => {
    if (engine === undefined) return;
    await GenericContainer.fromDockerfile(ROOT).withBuildkit().build(IMAGE);
    container = await new LockedContainer()
      .withEnvironment({
        MCP_JWT_SECRET: 'not-a-secret-but-long-enough-for-a-test',
        // An address that nothing answers at (RFC 5737): the service runs without its clusters.
        PROXMOX_API_URL: '192.0.2.1:8006',
        PROXMOX_TOKEN_ID: 'test@pve!test',
        PROXMOX_TOKEN_SECRET: 'test',
      })
      .start();
  }, 600_000);

  afterAll(() => container?.stop());

  beforeEach(({ skip }) => skip(engine === undefined, 'no container engine answers on this machine'));

  it('answers /healthz from outside', async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const where = { host: started().getHost(), port: started().getMappedPort(8000), path: '/healthz' };
      get({ ...where, headers: { host: 'localhost' } }, resolve).on('error', reject);
    });
    response.resume();
    expect(response.statusCode).toBe(200);
  });

  it('runs as user 1000', async () => {
    expect((await node('console.log(process.getuid(), process.getgid())')).output.trim()).toBe('1000 1000');
  });

  it('writes to /tmp and nowhere else', async () => {
    const write = (path: string) => node(`require('node:fs').writeFileSync('${path}', '')`);
    expect((await write('/tmp/x')).exitCode).toBe(0);
    for (const path of ['/app/x', '/config/x', '/data/x']) {
      expect(await write(path)).toMatchObject({ exitCode: 1, output: expect.stringContaining('EROFS') });
    }
  });

  it('says its version, and holds no source and no secret', async () => {
    const { version } = JSON.parse(projectFile('package.json'));
    const said = await started().exec(['node', '/app/dist/main.js', '--version']);
    expect(said.output.trim()).toBe(version);
    const there = await node(`console.log(require('node:fs').readdirSync('/app').sort().join())`);
    expect(there.output.trim()).toBe('.compile-cache,LICENSE,dist,node_modules,package.json');
  });
});
