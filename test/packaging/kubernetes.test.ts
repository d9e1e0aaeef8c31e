import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { projectFile, ROOT, serviceVariables } from './project.ts';

const FOLDER = 'deploy/kubernetes';
const OVERLAYS = ['single', 'replicas'] as const;
/** Set for the service and read by it without its configuration: an address that is put into another variable. */
const HELPERS = ['POD_IP'];
/** Made by hand, as docs/deployment.md says, or by cert-manager. */
const DOCUMENTED_SECRETS = ['proxmox-mcp', 'proxmox-mcp-redis', 'proxmox-mcp-tls'];

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, whose form the schemas check
type Thing = any;

const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
const built = new Map(hasKubectl ? OVERLAYS.map((name) => [name, build(name)] as const) : []);

function build(overlay: string): Thing[] {
  const { status, stdout, stderr } = spawnSync(
    'kubectl',
    ['kustomize', join(ROOT, FOLDER, 'overlays', overlay)],
    {
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`kubectl kustomize ended with ${status}: ${stderr}`);
  expect(stderr).toBe('');
  return parseAllDocuments(stdout).map((document) => document.toJS());
}

const MODELS: Record<string, () => Promise<Thing>> = {
  v1: () => import('kubernetes-models/v1'),
  'apps/v1': () => import('kubernetes-models/apps/v1'),
  'autoscaling/v2': () => import('kubernetes-models/autoscaling/v2'),
  'networking.k8s.io/v1': () => import('kubernetes-models/networking.k8s.io/v1'),
  'policy/v1': () => import('kubernetes-models/policy/v1'),
};

/** The model of an object's kind. */
async function modelOf({ apiVersion, kind }: Thing): Promise<new (data: Thing) => { validate(): void }> {
  const models: Record<string, Thing> | undefined = await MODELS[apiVersion]?.();
  if (models?.[kind] === undefined) throw new Error(`there is no model of ${apiVersion} ${kind}`);
  return models[kind];
}

/** Each key of an object, as the ones on the way to it. */
function pathsOf(value: Thing, way: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [[...way, key], ...pathsOf(item, [...way, key])]);
}

function withAnything(value: Thing, [key = '', ...rest]: string[]): Thing {
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = rest.length === 0 ? Symbol('of no type') : withAnything(copy[key], rest);
  return copy;
}

/** Schemas let pass what they don't know: a field is unknown where it may hold what no type admits. */
async function unknownFields(thing: Thing): Promise<string[]> {
  const Model = await modelOf(thing);
  return pathsOf(thing)
    .filter(([first]) => first !== 'apiVersion' && first !== 'kind')
    .filter((path) => {
      try {
        new Model(withAnything(thing, path)).validate();
        return true;
      } catch {
        return false;
      }
    })
    .map((path) => path.join('.'));
}

describe.each(OVERLAYS)('deploy/kubernetes/overlays/%s', (overlay) => {
  beforeEach(({ skip }) => skip(!hasKubectl, 'there is no kubectl here'));

  const things = () => built.get(overlay) ?? [];
  const find = (kind: string, name = 'proxmox-mcp') =>
    things().find((thing) => thing.kind === kind && thing.metadata.name === name);
  const pod = () => find('StatefulSet').spec.template;
  const container = () => pod().spec.containers[0];

  it('holds objects that fit the schemas of their kinds, without a field that these do not know', async () => {
    expect(things().length).toBeGreaterThan(5);
    for (const thing of things()) {
      const Model = await modelOf(thing);
      expect(() => new Model(thing).validate(), `${thing.kind} ${thing.metadata.name}`).not.toThrow();
      expect(await unknownFields(thing)).toEqual([]);
    }
  });

  it('would be refused with a wrong value, and with a field that does not exist', async () => {
    const Model = await modelOf(find('StatefulSet'));
    expect(() => new Model({ ...find('StatefulSet'), spec: { replicas: 'two' } }).validate()).toThrow();
    const misspelt = { ...find('Service'), spec: { ...find('Service').spec, portz: [] } };
    expect(await unknownFields(misspelt)).toEqual(['spec.portz']);
  });

  it('sets only variables that the service reads', () => {
    const known = serviceVariables();
    for (const name of [...known]) known.add(`${name}_FILE`);
    const names = [
      ...container().env.map(({ name }: Thing) => name),
      ...Object.keys(find('ConfigMap').data),
    ].filter((name) => !HELPERS.includes(name));
    expect(names.length).toBeGreaterThan(6);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    // What the pods rely on for their probes.
    expect(names).not.toContain('MCP_ALLOWED_HOSTS');
  });

  it('takes secrets as files alone, each from a folder that is mounted', () => {
    const mounts = container().volumeMounts.map(({ mountPath }: Thing) => mountPath);
    const files = container().env.filter(({ name }: Thing) => name.endsWith('_FILE'));
    for (const { value } of files) expect(mounts).toContain(value.slice(0, value.lastIndexOf('/')));
    expect(JSON.stringify(things())).not.toMatch(/secretKeyRef|"kind":"Secret"/);
    for (const path of [find('ConfigMap').data.STATE_FILE, find('ConfigMap').data.AUDIT_FILE]) {
      expect(mounts).toContain(path.slice(0, path.lastIndexOf('/')));
    }
  });

  it('asks the addresses that the service has, with a Host that it allows', () => {
    const { startupProbe, livenessProbe, readinessProbe, ports } = container();
    expect(ports).toEqual([{ name: 'http', containerPort: 8000 }]);
    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)).toEqual([
      '/healthz',
      '/healthz',
      '/readyz',
    ]);
    for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
      expect(httpGet).toMatchObject({ port: 'http', httpHeaders: [{ name: 'Host', value: 'localhost' }] });
    }
    expect(projectFile('src/http/routes/health.ts')).toMatch(/'\/healthz'[\s\S]*'\/readyz'/);
  });

  it('leads from the ingress to the pods, and from each selector to something', () => {
    const backends = find('Ingress').spec.rules[0].http.paths.map(({ backend }: Thing) => backend.service);
    expect(backends).toEqual([{ name: 'proxmox-mcp', port: { name: find('Service').spec.ports[0].name } }]);
    expect(find('Service').spec.ports[0].targetPort).toBe(container().ports[0].name);
    expect(find('ConfigMap').data.MCP_PUBLIC_URL).toBe(`https://${find('Ingress').spec.rules[0].host}`);
    const labels: Thing[] = things()
      .filter(({ kind }) => kind === 'StatefulSet')
      .map(({ spec }) => spec.template.metadata.labels);
    const selectors = things().flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector];
      if (kind === 'NetworkPolicy') return [spec.podSelector.matchLabels];
      return spec?.selector?.matchLabels ? [spec.selector.matchLabels] : [];
    });
    expect(selectors.length).toBeGreaterThan(2);
    for (const selector of selectors) {
      const entries = Object.entries(selector);
      expect(entries.length).toBeGreaterThan(0);
      const hits = labels.filter((label) => entries.every(([key, value]) => label[key] === value));
      expect(hits).toHaveLength(1);
    }
  });

  it('names only what is there or is in the docs', () => {
    const text = JSON.stringify(things());
    const secrets = [...text.matchAll(/"secretName":"([^"]+)"/g)].map((match) => match[1]);
    expect(DOCUMENTED_SECRETS).toEqual(expect.arrayContaining(secrets));
    const docs = projectFile('docs/deployment.md');
    for (const secret of secrets) expect(docs).toContain(`${secret}`);
    for (const { name, value } of container().env) {
      if (String(name).endsWith('_FILE')) expect(docs).toContain(value.split('/').at(-1));
    }
    expect(container().envFrom).toEqual([{ configMapRef: { name: find('ConfigMap').metadata.name } }]);
    expect(find('ServiceAccount').metadata.name).toBe(pod().spec.serviceAccountName);
  });

  it('runs images of a version', () => {
    const images = things()
      .filter(({ kind }) => kind === 'StatefulSet')
      .flatMap(({ spec }) => spec.template.spec.containers.map(({ image }: Thing) => image));
    for (const image of images) expect(image).toMatch(/:\d+\.\d+[\w.-]*$/);
    const { version } = JSON.parse(projectFile('package.json'));
    expect(images).toContain(`registry.example.com/ops/proxmox-mcp:${version}`);
  });

  it('locks every pod down, and gives it no token', () => {
    const templates = things()
      .filter(({ kind }) => kind === 'StatefulSet')
      .map(({ spec }) => spec.template.spec);
    for (const template of templates) {
      expect(template).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const { securityContext, resources } of template.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(resources).toMatchObject({
          requests: { memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
      }
    }
    // The image's user, to whom /data belongs.
    expect(projectFile('Dockerfile')).toContain(`USER ${pod().spec.securityContext.runAsUser}:`);
  });

  it('grants the drain its time', () => {
    const limit = /LIMIT_MS = (\d+)_000/.exec(projectFile('src/cli/shutdown.ts'))?.[1];
    const preStop = /}, (\d+)000\)/.exec(container().lifecycle.preStop.exec.command.at(-1))?.[1];
    expect(pod().spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(limit) + Number(preStop));
  });

  it('lets no traffic through but what is meant', () => {
    const policy = find('NetworkPolicy').spec;
    expect(policy.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(policy.egress.flatMap(({ ports }: Thing) => ports.map(({ port }: Thing) => port))).toEqual([
      53, 53, 8006, 443,
    ]);
    expect(policy.ingress.map(({ from }: Thing) => from.length)).toEqual([2]);
    for (const { to } of policy.egress) expect(to.length).toBeGreaterThan(0);
  });

  it('asks the ingress controller for no buffering and for patience', () => {
    const at = (name: string) => find('Ingress').metadata.annotations[`nginx.ingress.kubernetes.io/${name}`];
    expect([at('proxy-buffering'), at('proxy-request-buffering'), at('proxy-next-upstream')]).toEqual([
      'off',
      'off',
      'off',
    ]);
    expect(Number(at('proxy-read-timeout'))).toBeGreaterThanOrEqual(3600);
  });

  it(
    overlay === 'single'
      ? 'is one, with nothing that would keep a node from being emptied'
      : 'keeps some while one goes',
    () => {
      const { replicas } = find('StatefulSet').spec;
      const [budget, scaler] = [find('PodDisruptionBudget'), find('HorizontalPodAutoscaler')];
      if (overlay === 'single') {
        expect([replicas, budget, scaler]).toEqual([1, undefined, undefined]);
        expect(container().env.map(({ name }: Thing) => name)).not.toContain('REDIS_URL_FILE');
        return;
      }
      // Who sets it beside an autoscaler undoes what that has done, with each apply.
      expect(replicas ?? undefined).toBeUndefined();
      const { minReplicas, maxReplicas, scaleTargetRef } = scaler.spec;
      expect(budget.spec.maxUnavailable).toBeLessThan(minReplicas);
      expect(minReplicas).toBeLessThan(maxReplicas);
      expect(scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'proxmox-mcp' });
      expect(container().env).toEqual(
        expect.arrayContaining([
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'MCP_REPLICA_URL', value: `http://$(POD_IP):${container().ports[0].containerPort}` },
        ]),
      );
      const names = container().env.map(({ name }: Thing) => name);
      // Kubernetes fills in only what stands before.
      expect(names.indexOf('POD_IP')).toBeLessThan(names.indexOf('MCP_REPLICA_URL'));
      const redis = find('StatefulSet', 'proxmox-mcp-redis').spec.template.spec.containers[0];
      expect(redis.args.join(' ')).toMatch(/--appendonly yes .*noeviction.*--aclfile/);
    },
  );
});
