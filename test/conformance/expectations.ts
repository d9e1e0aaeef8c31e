/** Scenarios that do not apply to this service, and why; all others have to pass. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  'json-schema-2020-12':
    'Schemas of tools leave `$schema` and `$defs` out: they would stand in every conversation, and 2020-12 is the default.',
  'server-sse-polling':
    'No stream is resumed: a call whose connection is lost is looked up by its task, never answered a second time.',
  'http-custom-header-server-validation':
    'No tool declares `x-mcp-header`: whatever is in a header stands in the logs of proxies.',
  ...Object.fromEntries(
    [
      'lifecycle',
      'capability-negotiation',
      'wire-fields',
      'request-state-removal',
      'mrtr-input',
      'request-headers',
      'dispatch-and-envelope',
      'status-notifications',
      'required-task-error',
      'mrtr-composition',
    ].map((name) => [
      `tasks-${name}`,
      'The extension of tasks is not offered: long work answers with the UPID of Proxmox, which `wait_task` follows.',
    ]),
  ),
  ...Object.fromEntries(
    ['directory', 'enumeration', 'manifest'].map((name) => [
      `sep-2640-skills-${name}`,
      'The extension of skills is not offered; no set of requirements runs it.',
    ]),
  ),
};

/** Scenarios that ask for nothing that only a fixture has: the product itself has to pass them. */
export const GENERIC: readonly string[] = [
  'server-initialize',
  'server-session-lifecycle',
  'ping',
  'tools-list',
  'resources-list',
  'prompts-list',
  'dns-rebinding-protection',
  'server-sse-multiple-streams',
  'caching',
  'sep-2164-resource-not-found',
  'http-header-validation',
  'input-required-result-unsupported-methods',
];

/** Also asks for diagnostic tools: but for those checks, the product has to pass it, too. */
export const PARTLY_GENERIC = 'server-stateless';
