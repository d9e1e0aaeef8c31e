import type { GatedCluster } from '../../access/gate.ts';
import { isObject, type Json } from '../../catalogue/json.ts';
import { ApiPath } from '../../proxmox/api-path.ts';
import { quoted } from '../../proxmox/text.ts';
import { someOf } from '../fleet.ts';
import { refuser } from '../refusals.ts';
import { textOf, withoutSecrets } from '../results.ts';
import { requireVersion } from '../versions.ts';
import { KINDS, type SettingKind } from './setting-kinds.ts';

/** One of a kind, with what Proxmox tells of it. */
export interface Setting {
  name: string;
  options: Json;
}

export function collectionPath(kind: SettingKind): ApiPath {
  return ApiPath.ofSegments(KINDS[kind].collection.split('/').slice(1));
}

export function itemPath(kind: SettingKind, name: string): ApiPath {
  return ApiPath.ofSegments([...KINDS[kind].collection.split('/').slice(1), name]);
}

/** @param data such as the node on which mappings are to be checked. @throws CallError */
export async function readSettings(
  cluster: GatedCluster,
  kind: SettingKind,
  data?: Readonly<Record<string, unknown>>,
): Promise<Setting[]> {
  const { collection, since, noun } = KINDS[kind];
  if (since !== undefined)
    await requireVersion(cluster, 'GET', collection, { what: `A ${noun}`, isOne: true, since });
  const reply = await cluster.request({ method: 'GET', path: collectionPath(kind), data });
  return (Array.isArray(reply.data) ? reply.data : []).map((row) => {
    // Some lists are of names alone.
    const options: Json = isObject(row) ? row : { name: row };
    const { id, name, plugin, digest: _digest, ...rest } = options;
    return { name: textOf(plugin) ?? textOf(name) ?? String(id), options: rest };
  });
}

/** As an answer may show it: of secrets, that they are set. */
export function shownSetting(kind: SettingKind, { name, options }: Setting): Record<string, unknown> {
  return { name, ...withoutSecrets(KINDS[kind].item, options) };
}

/** @throws CallError NOT_FOUND with the names there are */
export function requireSetting(
  cluster: GatedCluster,
  kind: SettingKind,
  settings: readonly Setting[],
  name: string,
): Setting {
  const found = settings.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw refuser(cluster.name)(
    'NOT_FOUND',
    `${cluster.name} has no ${KINDS[kind].noun} ${quoted(name)}.`,
    `It has: ${someOf(settings.map((one) => quoted(one.name)).sort(), 30) || 'none'}.`,
  );
}
