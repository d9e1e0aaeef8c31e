import { isObject, isTrue, type Json } from '../../catalogue/json.ts';
import { compact, isoTime, numberOf, percentOf, rowsOf, textOf } from '../results.ts';

/** Rows of one part that are shown: containers inside a guest make file systems by the hundred. */
const MOST_ROWS = 50;
/** Of no interest by themselves; each is there on every Linux. */
const PSEUDO = /^(?:squashfs|overlay|tmpfs|devtmpfs|proc|sysfs)$/;

export function shownOs(result: unknown) {
  const os = partOf(result);
  return compact({
    id: textOf(os.id),
    name: textOf(os['pretty-name']) ?? textOf(os.name),
    version: textOf(os.version) ?? textOf(os['version-id']),
    kernel: textOf(os['kernel-release']),
    machine: textOf(os.machine),
  });
}

export function shownFileSystems(result: unknown) {
  return rowsOf(result)
    .filter(({ type }) => !PSEUDO.test(String(type)))
    .slice(0, MOST_ROWS)
    .map((row) => {
      const [used, total] = [numberOf(row['used-bytes']), numberOf(row['total-bytes'])];
      return {
        mountpoint: textOf(row.mountpoint) ?? '',
        ...compact({
          type: textOf(row.type),
          device: textOf(row.name),
          used_bytes: used,
          total_bytes: total,
          used_percent: percentOf(used, total),
        }),
      };
    });
}

export function shownUsers(result: unknown) {
  return rowsOf(result)
    .slice(0, MOST_ROWS)
    .map((row) => {
      const seconds = numberOf(row['login-time']);
      return {
        user: textOf(row.user) ?? '',
        ...compact({
          domain: textOf(row.domain),
          login_at: seconds === undefined ? undefined : isoTime(Math.round(seconds * 1000)),
        }),
      };
    });
}

/** @param now epoch milliseconds, of this service */
export function shownTime(result: unknown, zone: unknown, now: number) {
  const nanoseconds = numberOf(result);
  const { zone: name, offset } = partOf(zone);
  if (nanoseconds === undefined) return compact({ zone: textOf(name) });
  const milliseconds = Math.round(nanoseconds / 1_000_000);
  return {
    now: isoTime(milliseconds),
    ahead_seconds: Math.round((milliseconds - now) / 1000),
    ...compact({ zone: textOf(name), utc_offset_seconds: numberOf(offset) }),
  };
}

export function shownAgent(result: unknown) {
  const { version, supported_commands: all } = partOf(result);
  const disabled = rowsOf(all)
    .filter(({ enabled }) => !isTrue(enabled))
    .map(({ name }) => String(name));
  return {
    ...compact({ version: textOf(version) }),
    ...(disabled.length === 0 ? {} : { disabled_commands: disabled.slice(0, MOST_ROWS) }),
  };
}

function partOf(value: unknown): Json {
  return isObject(value) ? value : {};
}
