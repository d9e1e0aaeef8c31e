import { failure, invalidParameters } from '../../errors.ts';
import { type AppliedKind, type SdnState, sectionOf, withPendingState } from '../../state/sdn.ts';
import {
  digestOf,
  type Entry,
  optionsOf,
  refuseStale,
  requireEntry,
  updateEntry,
} from '../../state/section.ts';
import { require } from '../declare.ts';
import { type Call, flag, optionalText, text } from '../method.ts';

/** One kind of object whose changes wait until SDN is applied. */
export interface Kind {
  kind: AppliedKind;
  /** The parameter that names the object. */
  key: string;
  /** What the object is called in messages. */
  label: string;
  /** How the object is stored, where its name alone is not unique. */
  idOf?: (call: Call) => string;
  /** Refuses a call about a collection that is not there. */
  requireParent?: (call: Call) => void;
  /** Only those the call is about. */
  belongs?: (call: Call, entry: Entry) => boolean;
  /** Refuses what can't be. */
  check?: (call: Call, entry: Entry) => void;
  /** Refuses to delete what is in use. */
  used?: (sdn: SdnState, id: string) => string | undefined;
  /** Where the privileges lie. */
  aclPath: (entry: Entry, id: string) => string;
}

const FILTERS = ['pending', 'running', 'type'];

export const sdnOf = ({ state }: Call): SdnState => state.datacenter.sdn;
const idOf = (kind: Kind, call: Call): string => kind.idOf?.(call) ?? text(call, kind.key);

function mayRead({ state, identity }: Call, kind: Kind, entry: Entry, id: string): boolean {
  return state.access.has(identity, kind.aclPath(entry, id), 'SDN.Audit', 'SDN.Allocate');
}

function view(call: Call, kind: Kind, id: string): Record<string, unknown> {
  const sdn = sdnOf(call);
  const [running, config] = [sectionOf(sdn.running, kind.kind)[id], sectionOf(sdn.config, kind.kind)[id]];
  const entry = flag(call, 'pending')
    ? withPendingState(running, config)
    : { ...(flag(call, 'running') ? running : config) };
  return { ...entry, digest: digestOf(config ?? {}) };
}

export function list(kind: Kind) {
  return (call: Call): unknown => {
    kind.requireParent?.(call);
    const sdn = sdnOf(call);
    const type = optionalText(call, 'type');
    const [running, config] = [sectionOf(sdn.running, kind.kind), sectionOf(sdn.config, kind.kind)];
    const shown = flag(call, 'pending')
      ? { ...running, ...config }
      : flag(call, 'running')
        ? running
        : config;
    return Object.entries(shown)
      .filter(([id, entry]) => mayRead(call, kind, entry, id) && (kind.belongs?.(call, entry) ?? true))
      .filter(([, entry]) => type === undefined || entry.type === type)
      .map(([id]) => view(call, kind, id));
  };
}

function requireObject(kind: Kind, call: Call): { id: string; entry: Entry } {
  const id = idOf(kind, call);
  const sdn = sdnOf(call);
  const known = { ...sectionOf(sdn.running, kind.kind), ...sectionOf(sdn.config, kind.kind) };
  const section = flag(call, 'pending') ? known : sectionOf(sdn.config, kind.kind);
  return { id, entry: requireEntry(section, id, `${kind.label} '${id}' does not exist`) };
}

export function show(kind: Kind) {
  return (call: Call): unknown => {
    const { id, entry } = requireObject(kind, call);
    require(call, kind.aclPath(entry, id), 'SDN.Audit', 'SDN.Allocate');
    return view(call, kind, id);
  };
}

/** While someone holds the lock, only calls with its token may change anything. */
export function refuseLocked(call: Call): void {
  const { lock } = sdnOf(call);
  if (lock !== undefined && call.parameters['lock-token'] !== lock) {
    throw failure('SDN configuration is locked: invalid or missing lock token');
  }
}

export function create(kind: Kind) {
  return (call: Call): null => {
    refuseLocked(call);
    const id = idOf(kind, call);
    const section = sectionOf(sdnOf(call).config, kind.kind);
    if (section[id]) throw failure(`sdn ${kind.label} object ID '${id}' already defined`);
    const entry = { ...optionsOf(call.parameters, ...FILTERS.slice(0, 2)) };
    require(call, kind.aclPath(entry, id), 'SDN.Allocate');
    kind.check?.(call, entry);
    section[id] = entry;
    return null;
  };
}

export function update(kind: Kind) {
  return (call: Call): null => {
    refuseLocked(call);
    const { id, entry } = requireObject(kind, call);
    require(call, kind.aclPath(entry, id), 'SDN.Allocate');
    refuseStale(call.parameters, entry);
    const next = { ...entry };
    updateEntry(
      next,
      { ...call.parameters, delete: String(call.parameters.delete ?? '') },
      ...FILTERS.slice(0, 2),
    );
    kind.check?.(call, next);
    sectionOf(sdnOf(call).config, kind.kind)[id] = next;
    return null;
  };
}

export function remove(kind: Kind) {
  return (call: Call): null => {
    refuseLocked(call);
    const { id, entry } = requireObject(kind, call);
    require(call, kind.aclPath(entry, id), 'SDN.Allocate');
    const reason = kind.used?.(sdnOf(call), id);
    if (reason !== undefined) throw failure(reason);
    delete sectionOf(sdnOf(call).config, kind.kind)[id];
    return null;
  };
}

export function missing(name: string): Error {
  return invalidParameters({ [name]: 'property is missing and it is not optional' });
}
