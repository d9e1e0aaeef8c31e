const NEEDED = 24;

/**
 * What to tell someone whose Node is too old. Stands alone, without an import: the modules of the service may not
 * even load there.
 *
 * @param version as `process.version` has it
 */
export function nodeVersionProblem(version: string): string | undefined {
  if (Number(/^v?(\d+)\./.exec(version)?.[1]) >= NEEDED) return undefined;
  return (
    `proxmox-mcp needs Node ${NEEDED} or later, and this is ${version}.\n` +
    'Install a newer one from https://nodejs.org; in a checkout, use node_modules/.bin/node in place of node.'
  );
}

/** Says on standard error that this Node is too old, where it is; the process then ends with 1. */
export function refuseOldNode(): boolean {
  const problem = nodeVersionProblem(process.version);
  if (problem === undefined) return false;
  process.stderr.write(`${problem}\n`);
  process.exitCode = 1;
  return true;
}
