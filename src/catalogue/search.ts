import MiniSearch from 'minisearch';
import type { Catalogue } from './catalogue.ts';
import { riskOf } from './risk.ts';
import type { ApiMethod, HttpMethod, Risk } from './types.ts';

export interface SearchHit {
  readonly method: HttpMethod;
  readonly path: string;
  /** The first sentence of the description. */
  readonly summary: string;
  readonly risk: Risk;
}

interface SearchDocument {
  readonly id: number;
  /** The last word of the path, what the method is about, and the words people use for it. */
  readonly subject: string;
  readonly path: string;
  readonly name: string;
  readonly description: string;
  readonly verbs: string;
  readonly synonyms: string;
  readonly parameters: string;
}

/** The words people use for what the verb does. */
const VERB_WORDS: Readonly<Record<HttpMethod, string>> = {
  GET: 'get list show read status',
  POST: 'post create add new run',
  PUT: 'put update set change edit modify',
  DELETE: 'delete remove destroy',
};

/** The words people use for what PVE calls otherwise, by a word of the path. */
const SYNONYMS: Readonly<Record<string, string>> = {
  acl: 'permission permissions grant',
  apt: 'package packages upgrade',
  backup: 'job schedule',
  cloudinit: 'cloud init',
  content: 'volume volumes iso image images disk',
  domains: 'realm realms authentication ldap',
  lxc: 'container containers ct guest',
  move_disk: 'storage volume',
  move_volume: 'storage disk',
  nextid: 'free vmid',
  osd: 'disk',
  pending: 'changes',
  prunebackups: 'prune backup retention',
  qemu: 'vm vms virtual machine guest',
  remote_migrate: 'cluster move',
  resize: 'grow disk',
  rollback: 'restore revert',
  rrddata: 'metrics statistics history graph usage',
  snapshot: 'snapshots checkpoint',
  start: 'boot power on',
  status: 'state',
  stop: 'power off kill',
  syslog: 'logs',
  tasks: 'jobs log',
  termproxy: 'console terminal shell',
  tfa: 'two factor otp',
  token: 'api key',
  vncproxy: 'console screen',
  vzdump: 'backup dump guest',
};

/** The longest query read; nothing in the API is that long to describe. */
const LONGEST_QUERY = 200;

// Built on first use and kept as long as its catalogue; not state, since it is wholly made of the catalogue.
const INDEXES = new WeakMap<Catalogue, MiniSearch<SearchDocument>>();

/** Builds the index that the first search would else wait for (some 50 ms). */
export function prepareSearch(catalogue: Catalogue): void {
  if (!INDEXES.has(catalogue)) buildIndex(catalogue);
}

/**
 * Finds methods by words of their path, name or description; forgives typos and unfinished words.
 *
 * @param options.limit how many at most, 20 unless told.
 * @returns the best first.
 */
export function searchApi(
  catalogue: Catalogue,
  query: string,
  options: { readonly limit?: number } = {},
): SearchHit[] {
  const index = INDEXES.get(catalogue) ?? buildIndex(catalogue);
  const found = index.search(query.slice(0, LONGEST_QUERY));
  return found.slice(0, options.limit ?? 20).flatMap((result) => {
    const method = catalogue.methods[result.id as number];
    return method ? [toHit(method)] : [];
  });
}

function buildIndex(catalogue: Catalogue): MiniSearch<SearchDocument> {
  const index = new MiniSearch<SearchDocument>({
    fields: ['subject', 'path', 'name', 'description', 'verbs', 'synonyms', 'parameters'],
    tokenize: words,
    processTerm: stem,
    searchOptions: {
      boost: { subject: 4, path: 3, name: 3, description: 1.5, verbs: 1.5, synonyms: 1, parameters: 0.3 },
      prefix: (term) => term.length > 2,
      fuzzy: (term) => (term.length > 3 ? 0.25 : false),
      maxFuzzy: 2,
      weights: { fuzzy: 0.3, prefix: 0.5 },
      boostDocument: (id) => depthBoost(catalogue.methods[id as number]),
      combineWith: 'OR',
    },
  });
  index.addAll(catalogue.methods.map(toDocument));
  INDEXES.set(catalogue, index);
  return index;
}

function toDocument(method: ApiMethod, id: number): SearchDocument {
  const literals = method.path.split('/').filter((segment) => segment !== '' && !segment.startsWith('{'));
  const subject = literals.at(-1) ?? '';
  const synonyms = literals.map((segment) => (Object.hasOwn(SYNONYMS, segment) ? SYNONYMS[segment] : ''));
  return {
    id,
    subject: `${subject} ${synonyms.pop() ?? ''}`,
    path: literals.join(' '),
    name: method.name ?? '',
    description: method.description,
    verbs: VERB_WORDS[method.method],
    synonyms: synonyms.join(' '),
    parameters: Object.keys(method.parameters).join(' '),
  };
}

// Of methods that fit alike, the one nearer to the root is more likely meant.
function depthBoost(method: ApiMethod | undefined): number {
  const depth = method ? method.path.split('/').length : 0;
  return 1 / (1 + depth * 0.06);
}

/** Words at anything but letters and digits, and where camelCase begins a new one. */
function words(text: string): string[] {
  return text
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

const NOISE = new Set([
  'now',
  'the',
  'a',
  'an',
  'of',
  'for',
  'to',
  'in',
  'on',
  'and',
  'or',
  'is',
  'this',
  'that',
  'with',
]);

function stem(term: string): string | null {
  const word = term.toLowerCase();
  if (NOISE.has(word)) return null;
  // Plurals: "snapshots" finds "snapshot". Not those that end in ss or us: "access", "status".
  return word.length > 3 && /[^su]s$/.test(word) ? word.slice(0, -1) : word;
}

function toHit(method: ApiMethod): SearchHit {
  const { description, path } = method;
  const summary = /^.*?[.\n](?=\s|$)|^.*$/s.exec(description)?.[0].trim() ?? '';
  return {
    method: method.method,
    path,
    summary: summary.slice(0, 200),
    risk: riskOf(method.method, path).risk,
  };
}
