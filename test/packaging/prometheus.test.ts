import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { createExposition } from '../../src/observability/exposition.ts';
import { Metrics } from '../../src/observability/metrics.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RULES = join(ROOT, 'deploy/prometheus/alerts.yml');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}
interface Panel {
  title: string;
  targets?: { expr: string; datasource: { uid: string } }[];
}
interface Dashboard {
  panels: Panel[];
  templating: { list: { name: string; query: string | { query: string } }[] };
}

const rules = (parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
const dashboard = JSON.parse(read('deploy/grafana/proxmox-mcp.json')) as Dashboard;
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const shown = targets.map(({ expr }) => expr);
const queries = dashboard.templating.list.flatMap(({ query }) =>
  typeof query === 'string' ? [] : [query.query],
);

/** Labels by the name of each series that the service exports. */
const exported = new Map<string, readonly string[]>();
/** The names of the metrics that are ours. */
let ours: string[] = [];

beforeAll(async () => {
  const exposition = createExposition(new Metrics(), {
    version: '0',
    clusters: () => [],
    sessions: () => ({}),
    streams: () => ({}),
    callsRunning: () => 0,
    jobsRunning: () => 0,
    plans: () => ({}),
    alerts: () => [],
  });
  for (const { name, type } of await exposition.registry.getMetricsAsJSON()) {
    const metric = exposition.registry.getSingleMetric(name) as unknown as { labelNames: string[] };
    const labels = [...metric.labelNames, 'job', 'instance'];
    if (String(type) === 'histogram') {
      exported.set(`${name}_bucket`, [...labels, 'le']);
      for (const part of ['sum', 'count']) exported.set(`${name}_${part}`, labels);
    } else exported.set(name, labels);
  }
  ours = exposition.registry
    .getMetricsAsArray()
    .flatMap(({ name }) => (name.startsWith('proxmox_mcp_') ? [name] : []));
});

/** The series that an expression names, with the labels that it names of each. */
function seriesOf(expr: string): { name: string; labels: string[] }[] {
  const found = expr.matchAll(/\b((?:proxmox_mcp|nodejs|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g);
  return [...found].map(([, name = '', matchers = '']) => {
    const labels = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].flatMap(([, label]) => label ?? []);
    return { name, labels };
  });
}

describe('expressions of the rules and the dashboard', () => {
  it('name what the service exports, with labels that it has', () => {
    const all = [...rules.map(({ expr }) => expr), ...shown, ...queries].flatMap(seriesOf);
    expect(all.length).toBeGreaterThan(60);
    for (const { name, labels } of all) {
      expect([...exported.keys()]).toContain(name);
      for (const label of labels) expect([name, ...(exported.get(name) ?? [])]).toContain(label);
    }
  });

  it('group by labels that their series have', () => {
    for (const expr of [...rules.map((rule) => rule.expr), ...shown]) {
      const known = new Set(seriesOf(expr).flatMap(({ name }) => exported.get(name) ?? []));
      for (const [, labels = ''] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
        for (const label of labels.split(',')) expect([expr, ...known]).toContain(label.trim());
      }
    }
  });

  it('leave no metric of ours without a panel, and take their data source from the variable', () => {
    const used = new Set(
      shown.flatMap(seriesOf).map(({ name }) => name.replace(/_(?:bucket|sum|count)$/, '')),
    );
    expect(ours.filter((name) => !used.has(name))).toEqual([]);
    for (const { datasource } of targets) expect(datasource.uid).toMatch(/^\$\{datasource\}$/);
  });

  it('hold for several replicas: no rule and no panel looks at one by its name', () => {
    for (const expr of [...rules.map((rule) => rule.expr), ...shown])
      expect(expr).not.toMatch(/(?:instance|pod)="/);
  });
});

it('every rule says how bad it is, what happened and what to do', () => {
  expect(rules.length).toBeGreaterThan(10);
  for (const { alert, labels, annotations } of rules) {
    expect(alert).toMatch(/^ProxmoxMcp[A-Z]/);
    expect(['critical', 'warning', 'info']).toContain(labels.severity);
    expect(annotations.summary.length).toBeGreaterThan(10);
    expect(annotations.description.length).toBeGreaterThan(20);
  }
});

it('the table of docs/observability.md has every metric of ours and no other, with its labels', () => {
  const rows = [...read('docs/observability.md').matchAll(/^\| `(proxmox_mcp_\w+)` \|([^|]*)\|/gm)];
  const told = new Map(
    rows.map(([, name = '', labels = '']) => [
      name,
      [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    ]),
  );
  expect([...told.keys()].sort()).toEqual([...ours].sort());
  for (const [name, labels] of told) {
    const has = (exported.get(name) ?? exported.get(`${name}_sum`))?.filter(
      (label) => !['job', 'instance'].includes(label),
    );
    expect([name, ...labels]).toEqual([name, ...(has ?? [])]);
  }
});

describe('with promtool', () => {
  const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
  const { error } = promtool('--version');

  beforeEach(({ skip }) => skip(error !== undefined, 'promtool (Debian: prometheus) is not installed'));

  it('the rules are right, and fire when they should', () => {
    for (const command of [
      ['check', 'rules', RULES],
      ['test', 'rules', join(ROOT, 'deploy/prometheus/alerts.test.yml')],
    ]) {
      const { status, stdout, stderr } = promtool(...command);
      expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('SUCCESS')]);
    }
  });

  it('every rule is tried by a test that has it fire, but for those that another one shows', () => {
    const tests = parse(read('deploy/prometheus/alerts.test.yml')) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
    };
    const fired = tests.tests
      .flatMap(({ alert_rule_test }) => alert_rule_test)
      .flatMap(({ alertname, exp_alerts }) => (exp_alerts.length > 0 ? [alertname] : []));
    const untried = rules.map(({ alert }) => alert).filter((alert) => !fired.includes(alert));
    // As ProxmoxMcpCannotRecord, which differs in its name alone.
    expect(untried).toEqual(['ProxmoxMcpRedisDown']);
  });

  it('every query of the dashboard is one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'proxmox-mcp-promtool-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const filled = shown.map((expr) =>
      expr.replaceAll('$__rate_interval', '5m').replace(/\$(?:job|instance|cluster)/g, '.*'),
    );
    const file = join(folder, 'dashboard.yml');
    const asRules = filled.map((expr, index) => ({ record: `panel:query:${index}`, expr }));
    writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules: asRules }] }));
    const { status, stdout, stderr } = promtool('check', 'rules', file);
    expect([status, stdout + stderr]).toEqual([0, expect.stringContaining(`${filled.length} rules found`)]);
  });
});
