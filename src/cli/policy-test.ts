import { guestsOf, touchedGuests, vmidOf } from '../access/policy/guests.ts';
import type { Asked, Decision, GuestFacts, Policy } from '../access/policy/policy.ts';
import { riskOfRequest } from '../access/verification.ts';
import { loadBuiltInCatalogue } from '../catalogue/builtin.ts';
import type { Config } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { didYouMean } from '../config/nearest.ts';
import { type ApiPath, parseApiPath } from '../proxmox/api-path.ts';
import { HTTP_METHODS, type HttpMethod } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';
import { TOOLS } from '../tools/registry.ts';
import { EXIT, usageError } from './failure.ts';
import { print, printJson, styled } from './output.ts';
import type { TestOptions } from './policy.ts';
import { loadPolicy, principalOf } from './policy-run.ts';

export interface TestedCall {
  method: string;
  path: string;
  /** `key=value` each. */
  parameters: readonly string[];
}

/** Explains a decision, and sets the exit code: 0 for allowed, 1 for denied. Nothing is sent. @throws CliError */
export function runPolicyTest(call: TestedCall, options: TestOptions): void {
  const { policy, path: file } = loadPolicy(options);
  const asked = askedOf(call, options, policy);
  const decision = policy.decide(asked);
  if (options.json) printJson(jsonOf(asked, decision));
  else printDecision(asked, decision, file);
  if (!decision.allowed) process.exitCode = EXIT.failed;
}

function askedOf(call: TestedCall, options: TestOptions, policy: Policy): Asked {
  const method = readMethod(call.method);
  const path = readPath(call.path);
  const data = readParameters(call.parameters);
  const { risks, reasons } = riskOfRequest(loadBuiltInCatalogue(), { method, path, data });
  const principal = principalOf(options);
  const facts = new Map(options.guest.map(readGuest).map((guest) => [guest.vmid, guest]));
  const needsGuest = policy.needsGuest(principal);
  const unknown = needsGuest ? { unknown: true } : {};
  return {
    principal,
    tool: readTool(options.tool),
    method,
    path: path.toString(),
    risks,
    reasons,
    ...readCluster(options),
    requestReadOnly: options.readOnly ?? false,
    guests: touchedGuests(
      guestsOf({ method, path: path.toString(), data }),
      (vmid) => facts.get(vmid) ?? { vmid, tags: [], ...unknown },
    ),
    parameters: data,
    ...(options.bulk === undefined ? {} : { bulk: readBulk(options.bulk) }),
  };
}

function printDecision(asked: Asked, decision: Decision, file: string | undefined): void {
  const { allowed, rule, reason, hint, trace } = decision;
  const verdict = allowed ? styled('green', 'allowed') : styled('red', 'denied');
  print(`${verdict}: ${asked.method} ${asked.path} on ${asked.cluster} as ${asked.principal.subject}`);
  print(`  decided by  ${rule}`);
  if (!allowed) print(`  because     ${reason}. ${hint}`);
  print(`  risks       ${asked.risks.join(', ')} (${asked.reasons.join('; ')})`);
  if (allowed) print(`  approval    ${approvalWords(decision)}`);
  print(`  policy      ${file ?? 'no POLICY_FILE: the scopes of the token alone'}`);
  print('rule by rule:');
  for (const line of trace) print(`  ${line}`);
  const unknown = asked.guests?.named.filter((guest) => guest.unknown) ?? [];
  for (const { vmid } of unknown)
    print(`Nothing is known of guest ${vmid} here: describe it with --guest ${vmid}:name:tags:pool`);
}

function approvalWords({ approval, atClient }: Decision): string {
  if (approval !== 'person' || atClient) return APPROVAL_WORDS[approval];
  return 'person: a person has to approve the plan, with a credential that holds proxmox:approve; not at the client';
}

const APPROVAL_WORDS: Readonly<Record<Decision['approval'], string>> = {
  none: 'none: it is made at once',
  self: 'self: the caller is shown a plan, and repeats the call with its handle',
  person: 'person: a person has to approve the plan',
  second: 'second: somebody other than the caller has to approve the plan',
};

function jsonOf(asked: Asked, { allowed, rule, reason, hint, approval, atClient, trace }: Decision) {
  const { principal, method, path, cluster, tool, risks } = asked;
  const call = { subject: principal.subject, method, path, cluster, tool, risks };
  return {
    allowed,
    rule,
    reason,
    ...(allowed ? { approval, ...(approval === 'person' ? { at_client: atClient } : {}) } : { hint }),
    call,
    trace,
  };
}

function readMethod(text: string): HttpMethod {
  const method = HTTP_METHODS.find((known) => known === text.toUpperCase());
  if (method === undefined)
    throw usageError(`${JSON.stringify(text)} is no method.`, 'Give GET, POST, PUT or DELETE.');
  return method;
}

function readPath(text: string): ApiPath {
  try {
    return parseApiPath(text);
  } catch (error) {
    if (error instanceof CallError) throw usageError(error.message, error.hint);
    throw error;
  }
}

function readParameters(texts: readonly string[]): Record<string, unknown> {
  const data = new Map<string, unknown>();
  for (const text of texts) {
    const [, key, value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (key === undefined) throw usageError(`${JSON.stringify(text)} is no parameter.`, 'Give key=value.');
    const before = data.get(key);
    data.set(key, before === undefined ? value : [before, value].flat());
  }
  return Object.fromEntries(data);
}

/** `vmid:name:tags:pool`; what is left out or empty the guest does not have. */
function readGuest(text: string): GuestFacts {
  const [first, name, tags = '', pool] = text.split(':');
  const vmid = vmidOf(first);
  if (vmid === undefined)
    throw usageError(`--guest ${JSON.stringify(text)} has no VMID.`, 'Give vmid:name:tags:pool.');
  return {
    vmid,
    tags: tags
      .toLowerCase()
      .split(/[,;\s]+/)
      .filter((tag) => tag !== ''),
    ...(name ? { name } : {}),
    ...(pool ? { pool } : {}),
  };
}

function readTool(name: string): string {
  const names = TOOLS.map((tool) => tool.name);
  if (names.includes(name)) return name;
  throw usageError(`There is no tool ${JSON.stringify(name)}.${didYouMean(name, names)}`);
}

function readBulk(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError(`--bulk ${JSON.stringify(text)} is no number of changes.`, 'Give 1 or more.');
}

/** The cluster, and whether it or the server only reads, as far as the configuration says it. */
function readCluster({
  cluster,
}: TestOptions): Pick<Asked, 'cluster' | 'clusterReadOnly' | 'serverReadOnly'> {
  const config = configured();
  const name = cluster ?? config?.defaultCluster ?? config?.clusters[0]?.name ?? 'default';
  const known = config?.clusters.find((one) => one.name === name);
  if (cluster !== undefined && config !== undefined && known === undefined) {
    const names = config.clusters.map((one) => one.name);
    throw usageError(`There is no cluster ${JSON.stringify(cluster)}.${didYouMean(cluster, names)}`);
  }
  return {
    cluster: name,
    clusterReadOnly: known?.readOnly ?? false,
    serverReadOnly: config?.readOnly ?? false,
  };
}

/** A policy can be tried before there is a configuration. */
function configured(): Config | undefined {
  try {
    return loadConfig({ env: process.env, cwd: process.cwd(), needsAuth: false });
  } catch {
    return undefined;
  }
}
