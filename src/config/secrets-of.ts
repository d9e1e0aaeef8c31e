import { Secret } from './secret.ts';

/** Every secret in a configuration, wherever it stands, for the redaction. @param value plain data with Secrets in it */
export function secretsOf(value: unknown): string[] {
  if (value instanceof Secret) return [value.reveal()];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(secretsOf);
}
