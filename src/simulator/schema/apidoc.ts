import { gzipSync } from 'node:zlib';
import type { ApiSchema } from './api-schema.ts';

/** Where every PVE host serves its own schema, without asking who wants it. */
export const APIDOC_PATH = '/pve-docs/api-viewer/apidoc.js';

export interface Apidoc {
  plain: Buffer;
  gzip: Buffer;
  /** An HTTP date. */
  lastModified: string;
}

/** What follows the schema by the real thing: code of a user interface, here with all that trips a careless reader. */
const VIEWER = `;

// The viewer: ] } "not a list [" and ' quotes of every kind.
let clearFilter = function (tree) { return tree.filter((node) => !/[\\]"}]/.test(node.path)); };
let titles = ["]", "[", "}", "{", 'it\\'s', \`\${"a]"}\`];
Ext.onReady(function () { Ext.log(clearFilter(apiSchema).length, titles[0]); });
`;

const made = new WeakMap<ApiSchema, Apidoc>();

/** Writes a schema as the script that PVE's documentation serves; made once per schema. */
export function apidocOf(schema: ApiSchema): Apidoc {
  const known = made.get(schema);
  if (known) return known;
  const plain = Buffer.from(`const apiSchema = ${JSON.stringify(schema.tree, undefined, 3)}\n${VIEWER}`);
  const apidoc = { plain, gzip: gzipSync(plain), lastModified: new Date().toUTCString() };
  made.set(schema, apidoc);
  return apidoc;
}
