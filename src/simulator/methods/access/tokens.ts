import { randomUUID } from 'node:crypto';
import { failure, invalidParameters } from '../../errors.ts';
import type { Token } from '../../state/access.ts';
import { booleans, items, served, texts } from '../declare.ts';
import { type Call, flag, type Method, optionalText, text } from '../method.ts';
import { requireUser } from './checks.ts';

export function tokenRow({ name, privsep, expire = 0, comment }: Token): Record<string, unknown> {
  const noted = comment === undefined ? {} : { comment };
  return { tokenid: name, privsep: privsep ? 1 : 0, expire, ...noted };
}

function info(token: Token): Record<string, unknown> {
  const { tokenid: _tokenid, ...rest } = tokenRow(token);
  return rest;
}

function requireToken(call: Call): Token {
  const { userid } = requireUser(call);
  const name = text(call, 'tokenid');
  const token = call.state.access.tokens.find((known) => known.user === userid && known.name === name);
  if (!token) throw failure(`no such token '${name}' for user '${userid}'`);
  return token;
}

function list(call: Call): unknown {
  const userid = text(call, 'userid');
  requireUser(call);
  return call.state.access.tokens.filter((token) => token.user === userid).map(tokenRow);
}

function setDetails(call: Call, token: Token): void {
  const { comment, expire, privsep } = call.parameters;
  if (comment !== undefined) token.comment = String(comment);
  if (expire !== undefined) token.expire = Number(expire);
  if (privsep !== undefined) token.privsep = privsep === 1;
}

const secretOf = (token: Token): Record<string, unknown> => {
  return { 'full-tokenid': `${token.user}!${token.name}`, value: token.secret };
};

/** The answer is the only place where the secret is ever shown. */
function create(call: Call): unknown {
  const userid = text(call, 'userid');
  requireUser(call);
  const name = text(call, 'tokenid');
  const { tokens } = call.state.access;
  if (tokens.some((token) => token.user === userid && token.name === name)) {
    throw invalidParameters({ tokenid: 'Token already exists.' });
  }
  const token: Token = { user: userid, name, secret: randomUUID(), privsep: true };
  setDetails(call, token);
  tokens.push(token);
  return { ...secretOf(token), info: info(token) };
}

function update(call: Call): unknown {
  const token = requireToken(call);
  for (const key of items(optionalText(call, 'delete'))) {
    if (key !== 'comment' && key !== 'expire') throw invalidParameters({ delete: `unknown option '${key}'` });
    delete token[key];
  }
  setDetails(call, token);
  if (!flag(call, 'regenerate')) return info(token);
  token.secret = randomUUID();
  return { ...info(token), ...secretOf(token) };
}

/** The token's grants go with it, and it is refused from the next call on. */
function remove(call: Call): null {
  const token = requireToken(call);
  const { access } = call.state;
  access.tokens.splice(access.tokens.indexOf(token), 1);
  access.forget(`${token.user}!${token.name}`);
  return null;
}

const path = '/access/users/{userid}/token';

export const tokenMethods: Method[] = [
  served('GET', path, list),
  served('GET', `${path}/{tokenid}`, (call) => info(requireToken(call))),
  served('POST', `${path}/{tokenid}`, create),
  served('PUT', `${path}/{tokenid}`, update, { ...texts('delete'), ...booleans('regenerate') }),
  served('DELETE', `${path}/{tokenid}`, remove),
];
