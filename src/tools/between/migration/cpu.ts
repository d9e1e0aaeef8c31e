import { isObject, isTrue, type Json } from '../../../catalogue/json.ts';
import { quoted } from '../../../proxmox/text.ts';
import { someOf } from '../../fleet.ts';
import { readProperties } from '../../property-string.ts';
import { textOf } from '../../results.ts';
import { blocks, type Finding, warns } from '../finding.ts';

/** The processor of a node; what it does not tell is undefined. */
export interface HostCpu {
  model: string | undefined;
  vendor: string | undefined;
  flags: ReadonlySet<string> | undefined;
}

/** What PVE's own models need of a host, beyond what every x86-64 has (qemu-server, `CPUConfig`). */
const V2 = ['popcnt', 'sse4_1', 'sse4_2', 'ssse3'];
const V3 = [...V2, 'aes', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe'];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  'x86-64-v2': V2,
  'x86-64-v2-AES': [...V2, 'aes'],
  'x86-64-v3': V3,
  'x86-64-v4': [...V3, 'avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
};
const VENDORS: Readonly<Record<string, string>> = { GenuineIntel: 'Intel', AuthenticAMD: 'AMD' };
const LIKE_HOST = ['host', 'max'];
const DEFAULT_MODEL = 'kvm64';

/** @param status of `GET /nodes/{node}/status` */
export function cpuOf(status: Json): HostCpu {
  const info = isObject(status.cpuinfo) ? status.cpuinfo : {};
  const model = textOf(info.model);
  const flags = textOf(info.flags)?.split(/\s+/).filter(Boolean);
  return {
    model,
    vendor: Object.values(VENDORS).find((vendor) => model?.includes(vendor)),
    flags: flags === undefined ? undefined : new Set(flags),
  };
}

export interface CpuMove {
  /** `cpu` of the VM's configuration. */
  wanted: string | undefined;
  isRunning: boolean;
  here: HostCpu | undefined;
  there: HostCpu | undefined;
  /** Rows of the models that the target knows. */
  models: readonly Json[] | undefined;
  /** The target node, in words. */
  place: string;
}

export function cpuFindings(move: CpuMove): Finding[] {
  const { lead, options } = readProperties(move.wanted ?? DEFAULT_MODEL);
  const model = lead ?? options.get('cputype') ?? DEFAULT_MODEL;
  return LIKE_HOST.includes(model) ? likeHost(model, move) : named(model, move);
}

function likeHost(model: string, { isRunning, here, there, place }: CpuMove): Finding[] {
  const advice = `Set a model that both have (update_guest, cpu=x86-64-v2-AES), restart the VM, and check again; or move it stopped.`;
  const shown = (cpu: HostCpu | undefined) => (cpu?.model === undefined ? 'not known' : quoted(cpu.model));
  const both = `here ${shown(here)}, on ${place} ${shown(there)}`;
  if (here?.model !== undefined && here.model === there?.model) return [];
  if (!isRunning)
    return [
      warns(
        `Its CPU is ${model}: it will find another one (${both}).`,
        'Windows may want to be activated again.',
      ),
    ];
  const differ = here?.vendor !== undefined && there?.vendor !== undefined && here.vendor !== there.vendor;
  const missing =
    here?.flags === undefined || there?.flags === undefined
      ? []
      : [...here.flags].filter((flag) => !there.flags?.has(flag));
  if (differ)
    return [blocks(`Its CPU is ${model}, and the processors are of different makers: ${both}.`, advice)];
  if (missing.length > 0)
    return [
      blocks(
        `Its CPU is ${model}, and ${place} lacks flags that it uses now: ${someOf(missing)} (${both}).`,
        advice,
      ),
    ];
  return [warns(`Its CPU is ${model}, and moves live to another processor (${both}).`, advice)];
}

function named(model: string, { isRunning, there, models, place }: CpuMove): Finding[] {
  const found: Finding[] = [];
  const row = models?.find(({ name }) => name === model);
  if (models === undefined)
    found.push(
      warns(`Whether ${place} knows the CPU model ${quoted(model)} is not known.`, 'Look at its CPU models.'),
    );
  else if (row === undefined)
    found.push(
      blocks(
        `${place} does not know the CPU model ${quoted(model)}.`,
        model.startsWith('custom-')
          ? 'Define it there as here (/etc/pve/virtual-guest/cpu-models.conf), or set another.'
          : 'Set a model that it has (update_guest).',
      ),
    );
  else if (isTrue(row.custom))
    found.push(
      warns(
        `The custom CPU model ${quoted(model)} may be defined otherwise there.`,
        'Compare both definitions.',
      ),
    );
  const lacks = (NEEDS[model] ?? []).filter((flag) => there?.flags !== undefined && !there.flags.has(flag));
  if (lacks.length > 0)
    found.push(
      blocks(
        `The processor of ${place} lacks ${someOf(lacks)}, which the CPU model ${quoted(model)} needs.`,
        'Set a smaller model (update_guest), or choose another node.',
      ),
    );
  const vendor = VENDORS[textOf(row?.vendor) ?? ''];
  if (vendor !== undefined && there?.vendor !== undefined && vendor !== there.vendor) {
    const what = `The CPU model ${quoted(model)} is ${vendor}'s, and ${place} has ${there.vendor}.`;
    found.push(
      (isRunning ? blocks : warns)(what, 'Set a model of neither (x86-64-v2-AES), and restart the VM.'),
    );
  }
  return found;
}
