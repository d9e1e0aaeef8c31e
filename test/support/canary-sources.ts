import { basename } from 'node:path';
import { isSecretName } from '../../src/observability/secret-patterns.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { canaryWatch } from './canary-watch.ts';

const SETTING = /^\s*(?:export\s+)?(\w*(?:SECRET|PASSWORD|TOKEN|CLUSTERS_KEY\w*))=["']?(.*?)["']?\s*$/gm;
const MEMBER = /"(token_secret|password)"\s*:\s*"((?:[^"\\]|\\.)+)"/g;

/** Settings in the form of an `.env` or of an environment. */
export function watchSettings(text: string): void {
  for (const [, name = '', value = ''] of text.matchAll(SETTING))
    canaryWatch.watch(`the setting ${name.replace(/CLUSTER_.*_(?=[A-Z]+_[A-Z]+$)/, 'CLUSTER_*_')}`, value);
}

/** Secrets in a file of configuration that a test writes. */
export function watchConfiguration(path: string, text: string): void {
  const name = basename(path);
  if (/^\.env/.test(name)) watchSettings(text);
  if (/\.key$/.test(name)) canaryWatch.watch('a key file', text.trim());
  if (!/\.json$/.test(name)) return;
  for (const [, member = '', value = ''] of text.matchAll(MEMBER)) {
    canaryWatch.watch(`${member} in a file`, JSON.parse(`"${value}"`));
  }
}

/** Secrets of simulated clusters, the tickets they give, and secrets among the parameters that reach them. */
export function watchSimulator(simulator: Simulator): void {
  for (const cluster of simulator.clusters) {
    canaryWatch.watch('the token of a cluster', cluster.tokenSecret);
    canaryWatch.watch('the limited token of a cluster', cluster.limitedTokenSecret);
    canaryWatch.watch('the password of a cluster', cluster.password);
    const { tickets } = cluster.state;
    const issue = tickets.issue.bind(tickets);
    tickets.issue = (user) => {
      const issued = issue(user);
      canaryWatch.watch('a ticket', issued.ticket.split('::')[1] ?? '');
      canaryWatch.watch('a CSRF token', issued.csrf.split(':')[1] ?? '');
      return issued;
    };
    let seen = 0;
    canaryWatch.collectors.push(() => {
      for (const { params } of cluster.requests.slice(seen)) watchParameters(params);
      seen = cluster.requests.length;
    });
  }
}

/** What one cluster is told to log in to another one with, whole and its token alone, as it reaches a simulated one. */
export function watchEndpoint(text: string): void {
  canaryWatch.watch('a target endpoint', text);
  const [, token = ''] = /apitoken=PVEAPIToken=[^,]*?!([^,]*)/.exec(text) ?? [];
  canaryWatch.watch('the token of a target endpoint', token.slice(token.indexOf('=') + 1));
}

function watchParameters(params: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(params)) {
    if (!isSecretName(name) || typeof value !== 'string') continue;
    canaryWatch.watch(`the parameter ${name}`, value);
  }
}
