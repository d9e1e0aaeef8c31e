import type { Parameters, ParameterValue } from '../proxmox/call.ts';
import { CallError } from '../proxmox/errors.ts';

type Scalar = string | number | boolean;

/**
 * Turns what a caller wrote into PVE parameters. `null` and `undefined` members are dropped, because some clients
 * send them for arguments they leave out. The caller's object is not touched.
 *
 * @throws CallError INVALID_ARGUMENTS naming every member that is neither a scalar nor a list of scalars.
 */
export function toParameters(data: Readonly<Record<string, unknown>> = {}): Parameters {
  const parameters: Record<string, ParameterValue> = {};
  const refused: string[] = [];
  for (const [name, value] of Object.entries(data)) {
    if (value === null || value === undefined) continue;
    if (isScalar(value)) parameters[name] = value;
    else if (Array.isArray(value) && value.every(isScalar)) parameters[name] = value;
    else refused.push(name);
  }
  if (refused.length === 0) return parameters;
  throw new CallError(
    'INVALID_ARGUMENTS',
    `Proxmox takes text, numbers and booleans; not so: ${refused.join(', ')}.`,
    {
      hint: 'Write nested settings as a property string, for example net0: "virtio,bridge=vmbr0".',
    },
  );
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}
