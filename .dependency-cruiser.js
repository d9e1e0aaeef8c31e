// The directions of the house, checked by `npm run check:directions`. A room may import any room below it in this
// list, never one above. src/main.ts stands above them all.
const ROOMS = ['cli', 'http', 'mcp', 'tools', 'access', 'clusters', 'proxmox', 'catalogue', 'config'];

/** Rooms beside the order: any room may use a leaf, and a leaf uses nothing of ours. */
const LEAVES = ['audit', 'observability', 'replicas'];

const room = (...names) => `^src/(?:${names.join('|')})/`;
const npm = (pattern) => `^node_modules/${pattern}`;

const downwards = ROOMS.slice(1).map((name, index) => ({
  name: `${name}-imports-nothing-above`,
  comment: `Direction: ${ROOMS.join(' → ')}.`,
  severity: 'error',
  from: { path: room(name) },
  to: { path: `${room(...ROOMS.slice(0, index + 1))}|^src/main[.]ts$` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...downwards,
    {
      name: 'main-hands-over-to-cli',
      comment: 'src/main.ts hands argv to cli/, where the service is put together.',
      severity: 'error',
      from: { path: '^src/main[.]ts$' },
      to: { path: '^src/', pathNot: room('cli') },
    },
    {
      name: 'leaves-import-nothing-of-ours',
      comment: 'audit/ and observability/ are there for every room, so they may know none.',
      severity: 'error',
      from: { path: `^src/(${LEAVES.join('|')})/` },
      to: { path: '^src/', pathNot: '^src/$1/' },
    },
    {
      name: 'simulator-knows-the-catalogue-alone',
      comment: 'It stands for another program: what it shared with the service, it could not test.',
      severity: 'error',
      from: { path: room('simulator') },
      to: { path: '^src/', pathNot: room('simulator', 'catalogue') },
    },
    {
      name: 'simulator-is-for-demo-and-simulate',
      comment: 'The service itself never starts simulated clusters.',
      severity: 'error',
      from: { path: '^src/', pathNot: [room('simulator'), '^src/cli/(?:demo|simulate)[^/]*$'] },
      to: { path: room('simulator') },
    },
    {
      name: 'tools-reach-clusters-through-the-gate',
      comment: 'A tool gets its cluster from its context, behind the gate; of clusters/ it may know types.',
      severity: 'error',
      from: { path: room('tools') },
      to: { path: room('clusters'), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'tools-know-no-transport',
      comment: 'A tool runs the same behind every door.',
      severity: 'error',
      from: { path: room('tools') },
      to: { path: npm('(?:fastify|@fastify|@modelcontextprotocol)/') },
    },
    {
      name: 'sdk-only-in-mcp',
      comment: 'Two SDK lines are held together in one place.',
      severity: 'error',
      from: { path: '^src/', pathNot: room('mcp') },
      to: { path: npm('@modelcontextprotocol/') },
    },
    {
      name: 'undici-only-in-proxmox',
      comment: 'Every request to a cluster goes through the engine: pool, deadline, breaker.',
      severity: 'error',
      from: { path: '^src/', pathNot: room('proxmox') },
      to: { path: npm('undici/') },
    },
    {
      name: 'no-circles',
      comment:
        'Modules that need each other to load are one module. Types are erased, and a command loads its work late.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only', 'dynamic-import'] } },
    },
    {
      name: 'no-dev-dependency',
      comment: 'The image holds production dependencies alone.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-declared-packages',
      comment: 'A package that another one happens to bring may be gone after the next install.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'only-what-exists',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'sources-know-no-test',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Type imports count: a room that knows another's types knows the room.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};
