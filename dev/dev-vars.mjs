// .dev.vars: the secrets of local development. Made once, with a random key; never overwritten.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './plain.mjs';

const NAMES = ['SESSION_KEYS', 'COGNITO_CLIENT_SECRET'];

/** The value of `NAME=value` in a dotenv text, or undefined. */
function valueOf(name, text) {
  const line = text.match(new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=[ \\t]*(.*)$`, 'm'));
  return line?.[1].trim().replace(/^(["'])(.*)\1$/, '$2') || undefined;
}

/**
 * Writes `.dev.vars` if there is none. Returns what is worth telling: that it was made, or which names an existing
 * one lacks; undefined if all is well.
 */
export function ensureDevVars(root = ROOT) {
  const file = path.join(root, '.dev.vars');
  const example = readFileSync(path.join(root, '.dev.vars.example'), 'utf8');
  const text = [
    '# Secrets of local development, made by `npm start`. Delete this file to get new ones (local sessions then end).',
    `SESSION_KEYS=v1:${randomBytes(32).toString('base64')}`,
    `COGNITO_CLIENT_SECRET=${valueOf('COGNITO_CLIENT_SECRET', example)}`,
    '',
  ].join('\n');
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    return 'Made .dev.vars with a random session key.';
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const existing = readFileSync(file, 'utf8');
  const missing = NAMES.filter((name) => valueOf(name, existing) === undefined);
  if (missing.length === 0) return undefined;
  return `.dev.vars lacks ${missing.join(' and ')}: add it as .dev.vars.example shows, or delete .dev.vars to get a new one.`;
}
