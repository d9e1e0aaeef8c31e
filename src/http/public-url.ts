import type { FastifyRequest } from 'fastify';
import type { HttpConfig } from '../config/config.ts';

/** Where the service is seen from outside, without a trailing slash: MCP_PUBLIC_URL, else as this client reached it. */
export function publicUrl(http: HttpConfig, request: FastifyRequest): string {
  return (
    http.publicUrl ?? `http${http.tls === undefined ? '' : 's'}://${request.headers.host ?? request.hostname}`
  );
}

/** The address of the RFC 9728 metadata for `/mcp`, which challenges carry. */
export function resourceMetadataUrl(http: HttpConfig, request: FastifyRequest): string {
  return `${publicUrl(http, request)}/.well-known/oauth-protected-resource/mcp`;
}

/** The path in front of the service's own ones, where a proxy serves it below a folder: `` or `/proxmox`. */
export function publicPath(http: HttpConfig): string {
  return http.publicUrl === undefined ? '' : new URL(http.publicUrl).pathname.replace(/\/$/, '');
}
