import { CLUSTER_NAME } from '../config/clusters-schema.ts';
import { isUpid } from '../proxmox/upid.ts';

/** The places that a template may leave open, and what may stand in each. */
const VARIABLES = {
  cluster: (text: string) => CLUSTER_NAME.test(text),
  // PVE's formats pve-node and pve-storage-id.
  node: (text: string) => /^[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$/.test(text),
  storage: (text: string) => /^[a-zA-Z][a-zA-Z0-9._-]{0,98}[a-zA-Z0-9]$/.test(text),
  vmid: (text: string) => /^[1-9]\d{2,8}$/.test(text),
  upid: (text: string) => text.length <= 256 && isUpid(text),
} as const;

export type ResourceVariable = keyof typeof VARIABLES;
export type ResourceValues = Readonly<Partial<Record<ResourceVariable, string>>>;

const SCHEME = 'proxmox://';
const LONGEST = 1024;
/** What RFC 3986 allows in a segment; its path is taken apart by hand, because `URL` would resolve `..` first. */
const SEGMENT = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+$/;

/**
 * Holds a URI against a template such as `proxmox://{cluster}/nodes/{node}`. Each value is one segment, decoded once,
 * and of the form that Proxmox gives it: nothing that could mean another place gets through.
 *
 * @returns the values, or undefined where it does not fit
 */
export function matchUri(template: string, uri: string): ResourceValues | undefined {
  const [wanted, given] = [segmentsOf(template), segmentsOf(uri)];
  if (wanted === undefined || given === undefined || wanted.length !== given.length) return undefined;
  const values: Partial<Record<ResourceVariable, string>> = {};
  for (const [index, part] of wanted.entries()) {
    const text = given[index] ?? '';
    const variable = variableOf(part);
    if (variable === undefined) {
      if (text !== part) return undefined;
      continue;
    }
    const value = decoded(text);
    if (value === undefined || !VARIABLES[variable](value)) return undefined;
    values[variable] = value;
  }
  return values;
}

/** Fills a template. What stands in the places is encoded, colons of a UPID too, as RFC 6570 has it. */
export function fillUri(template: string, values: ResourceValues): string {
  return template.replace(/\{(\w+)\}/g, (place) => {
    const variable = variableOf(place);
    return encodeURIComponent((variable && values[variable]) ?? '');
  });
}

export function variablesOf(template: string): ResourceVariable[] {
  return (segmentsOf(template) ?? []).flatMap((part) => variableOf(part) ?? []);
}

function segmentsOf(uri: string): string[] | undefined {
  if (uri.length > LONGEST || !uri.startsWith(SCHEME)) return undefined;
  return uri.slice(SCHEME.length).split('/');
}

function variableOf(part: string): ResourceVariable | undefined {
  const name = /^\{(\w+)\}$/.exec(part)?.[1];
  return name !== undefined && Object.hasOwn(VARIABLES, name) ? (name as ResourceVariable) : undefined;
}

function decoded(segment: string): string | undefined {
  if (!SEGMENT.test(segment)) return undefined;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
