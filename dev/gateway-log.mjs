// Turns the output of `wrangler dev` into few short lines: the Worker's own log, warnings, errors and reloads. The rest
// (tables of bindings, one line more for each request) is left out.
import { withoutColour } from './processes.mjs';

/** Lines that follow an error or warning and are shown with it; more is a stack or an object dump. */
const MAX_DETAIL_LINES = 6;

const NOISE = /^(\[wrangler:info\]|⎔|Using secrets defined|The file .* changed|🪵)/u;

/** Returns a function to call with each line of wrangler's; it calls `show` with what is worth showing. */
export function gatewayLog(show) {
  let inTable = false;
  let inBlock = false;
  let details = 0;
  return (raw) => {
    const line = withoutColour(raw).trimEnd();
    if (inTable) {
      inTable = line !== '';
      return;
    }
    if (line.startsWith('Your Worker has access to the following bindings')) {
      inTable = true;
      return;
    }
    const [, mark, text] = line.match(/^[▲✘] \[(WARNING|ERROR)\] (.*)$/u) ?? [];
    if (mark) {
      inBlock = true;
      details = text.includes('[Error]: Process exited with non-zero status') ? 0 : MAX_DETAIL_LINES;
      if (details > 0) show(explained(text) ?? compactJson(text) ?? `${mark.toLowerCase()}  ${text}`);
      return;
    }
    if (inBlock && (line === '' || line.startsWith(' '))) {
      const isStack = /^\s+at /.test(line);
      if (line !== '' && !isStack && details > 0) {
        details -= 1;
        show(line);
      }
      return;
    }
    inBlock = false;
    const built = line.match(/^\[custom build\] ?(.*)$/)?.[1];
    if (built !== undefined) {
      if (built.trim() !== '' && !built.startsWith('Running: ')) show(built);
    } else if (line === '⎔ Local server updated and ready') {
      show('reloaded');
    } else if (line !== '' && !NOISE.test(line)) {
      show(compactJson(line) ?? line);
    }
  };
}

/** Wrangler's words for what needs other words here. */
function explained(text) {
  if (text.startsWith('Running custom build')) return 'error  not rebuilt: requests wait until the build succeeds again';
  return undefined;
}

/**
 * A line of the Worker's JSON log in short: level, message, request, answer, time, then all else as `name=value`.
 * Undefined if it is not a JSON object.
 */
export function compactJson(line) {
  let record;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (record === null || typeof record !== 'object' || Array.isArray(record)) return undefined;
  const { level = 'info', message, method, route, path, status, duration_ms: duration, timestamp, time, ...others } = record;
  const request = [method, route ?? path].filter((part) => part !== undefined).join(' ');
  const parts = [level.padEnd(5), message, request, status, duration === undefined ? undefined : `${duration} ms`];
  if (route !== undefined && path !== undefined) others.path = path;
  for (const [name, value] of Object.entries(others)) {
    if (value !== null) parts.push(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}
