import { accessSync, constants, statSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ClusterSpec, DEMO_ESTATE } from '../simulator/estate.ts';
import { largeEstate } from '../simulator/large-estate.ts';
import { type ApiSchema, schemaFromFile } from '../simulator/schema/api-schema.ts';
import { readEstate } from '../simulator/seed.ts';
import { type Simulator, startSimulator } from '../simulator/simulator.ts';
import { buildState } from '../simulator/state/build-state.ts';
import { CliError, usageError } from './failure.ts';
import { print, printAside, printJson, styled } from './output.ts';
import { stopOnSignal } from './shutdown.ts';
import type { SimulateOptions } from './simulate.ts';
import { type PlannedFault, planFaults } from './simulate-faults.ts';
import { accessOf, clustersFileOf, otherAccessOf } from './simulated.ts';

/** Starts simulated clusters and runs until a signal comes. What can't be used is refused before anything starts. */
export async function runSimulate(options: SimulateOptions): Promise<void> {
  const { host, port, taskSeconds, lag, save, json } = options;
  const specs = chooseEstate(options);
  const schema = options.schema === undefined ? {} : { schema: readSchema(options.schema) };
  const faults = planFaults(options.fault ?? [], rehearse(specs, options));
  if (save !== undefined) requireWritable(save);
  const nodes = specs.flatMap((cluster) => cluster.nodes);
  const ports = port ? nodes.map((_node, index) => port + index) : [];
  const simulator = await startSimulator({
    clusters: specs,
    ...schema,
    host,
    ports,
    taskSeconds,
    resourcesLagSeconds: lag,
  }).catch((error: unknown) => {
    throw startError(error, host);
  });
  await addFaults(simulator, faults);
  stopOnSignal(async () => {
    await simulator.close();
    if (save !== undefined) await saveTo(save, simulator);
  });
  if (json)
    printJson({ clusters: simulator.clusters.map(accessOf), others: simulator.clusters.map(otherAccessOf) });
  else print(textOf(simulator, faults, clustersFileOf(simulator.clusters)));
}

function chooseEstate({ seed, guests }: SimulateOptions): ClusterSpec[] {
  if (seed !== undefined && guests !== undefined) {
    throw usageError('--seed and --guests exclude each other.', 'Leave one of them out.');
  }
  if (guests !== undefined) return largeEstate({ guests });
  if (seed === undefined) return DEMO_ESTATE;
  try {
    return readEstate(seed);
  } catch (error) {
    throw usageError(`--seed: ${messageOf(error)}`, 'Give a file that --save has written, or one like it.');
  }
}

function readSchema(file: string): ApiSchema {
  try {
    return schemaFromFile(file);
  } catch (error) {
    throw usageError(
      `--schema: can't read an API from ${file}: ${messageOf(error)}`,
      "Give a host's /pve-docs/api-viewer/apidoc.js, or the tree in it as JSON.",
    );
  }
}

/** Builds what will be started, without an address: what is wrong shows before anything listens. */
function rehearse(specs: ClusterSpec[], { seed, fault = [] }: SimulateOptions) {
  // Ten thousand guests take a second, and without these nothing can be wrong.
  if (seed === undefined && fault.length === 0) return [];
  try {
    const setting = { clock: Date.now, taskSeconds: 0 };
    return specs.map((spec) => ({ name: spec.name, state: buildState(spec, setting) }));
  } catch (error) {
    throw usageError(
      `--seed: ${seed} holds a state that can't be restored: ${messageOf(error)}`,
      'Give a file that --save has written, or leave out what it has as "state".',
    );
  }
}

function requireWritable(file: string): void {
  const fix = 'Choose another file for --save: the clusters are written to it at the end.';
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (error) {
    throw usageError(`--save: can't write to the folder of ${file}: ${messageOf(error)}`, fix);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw usageError(`--save: ${file} is a folder.`, fix);
  }
}

/** Writes beside the file and then renames, so that there is the old one or the new one, and never half of one. */
async function saveTo(file: string, simulator: Simulator): Promise<void> {
  const beside = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(beside, `${JSON.stringify(simulator.save())}\n`, {
      mode: 0o600,
      flag: 'wx',
      flush: true,
    });
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    printAside(
      `${styled('red', 'error:', process.stderr)} The clusters could not be saved: ${messageOf(error)}`,
    );
    throw error;
  }
}

async function addFaults(simulator: Simulator, faults: readonly PlannedFault[]): Promise<void> {
  const added = faults.flatMap(({ fault, clusters }) =>
    clusters.map((name) => simulator.cluster(name).faults.add(fault).ready),
  );
  await Promise.all(added).catch(async (error: unknown) => {
    await simulator.close();
    throw error;
  });
}

function textOf({ clusters }: Simulator, faults: readonly PlannedFault[], clustersFile: string): string {
  return [
    'Simulated Proxmox VE clusters. Their secrets are made for them and are worth nothing elsewhere.',
    ...clusters.flatMap((cluster) => [
      '',
      styled('bold', cluster.name),
      `  nodes         ${cluster.endpoints.map((endpoint) => `https://${endpoint}`).join('  ')}`,
      `  token         ${cluster.user}!${cluster.tokenId}=${cluster.tokenSecret}`,
      `  no privileges ${cluster.user}!${cluster.limitedTokenId}=${cluster.limitedTokenSecret}`,
      `  login         ${cluster.user} with the password ${cluster.password}`,
      `  certificate   SHA-256 ${cluster.fingerprint}`,
      ...faults
        .filter((fault) => fault.clusters.includes(cluster.name))
        .map(({ spec }) => `  fault         ${spec}`),
    ]),
    '',
    styled('bold', 'clusters.json (chmod 600 it)'),
    clustersFile,
    '',
    'Ctrl-C stops it.',
  ].join('\n');
}

function startError(error: unknown, host: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') {
    return new CliError('One of the ports for the simulated nodes is in use.', {
      fix: 'Choose another --port, or leave it out to get free ones.',
      cause: error,
    });
  }
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EACCES', 'ERR_SOCKET_BAD_PORT'].includes(String(code))) {
    return new CliError(`The simulated nodes can't listen on ${host} (${String(code)}).`, {
      fix: 'Choose another --host or --port.',
      cause: error,
    });
  }
  return error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
