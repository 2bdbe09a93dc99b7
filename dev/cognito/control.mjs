// GET and POST /_control: the switches by hand, and for tests that run in another process.

import { html, json, methodNotAllowed } from './http.mjs';
import { escape, page } from './pages.mjs';
import { describeKind, SWITCHES } from './switches.mjs';

/**
 * GET  /_control             the page, or {switches} for Accept: application/json
 * POST /_control             a JSON object of switches to change → all switches
 * POST /_control/reset       everything back to default
 * POST /_control/rotate-keys {keepOld}
 * POST /_control/revoke-all  {email}
 * POST /_control/users       {email: {enabled, groups, …}} merged into the user table
 * GET  /_control/requests    what was received
 */
export async function control(pool, request) {
  const { method, path, headers } = request;
  // A page of another origin may post here without being asked; it has no business with the switches.
  if (headers.origin && headers.origin !== `http://${headers.host}`) return json(403, { error: 'another origin' });
  try {
    return answer(pool, request) ?? (['GET', 'POST'].includes(method) ? json(404, { error: `nothing at ${path}` }) : methodNotAllowed('GET, POST'));
  } catch (error) {
    return json(400, { error: error.message });
  }
}

function answer({ control: cognito, users }, { method, path, headers, text }) {
  const body = text ? JSON.parse(text) : {};
  switch (`${method} ${path}`) {
    case 'GET /_control': return headers.accept?.includes('text/html') ? html(200, controlPage(cognito)) : json(200, cognito.switches);
    case 'POST /_control': return json(200, cognito.set(body));
    case 'POST /_control/reset':
      cognito.reset();
      return json(200, cognito.switches);
    case 'POST /_control/rotate-keys':
      cognito.rotateKeys(body);
      return json(200, cognito.kids);
    case 'POST /_control/revoke-all':
      if (!users[body.email]) throw new Error(`no such account: ${body.email}`);
      cognito.revokeAll(body.email);
      return json(200, {});
    case 'POST /_control/users':
      for (const [email, changes] of Object.entries(body)) {
        if (!users[email]) throw new Error(`no such account: ${email}`);
        Object.assign(users[email], changes);
      }
      return json(200, users);
    case 'GET /_control/requests': return json(200, cognito.requests);
    default: return undefined;
  }
}

function controlPage({ switches, issuer }) {
  const rows = SWITCHES.map((row) => `
      <tr><th>${row.name}</th>
        <td><input name="${row.name}" value="${escape(JSON.stringify(switches[row.name]))}" aria-label="${row.name}"></td>
        <td>${escape(row.says)}<br><small>${escape(describeKind(row))}; default ${escape(JSON.stringify(row.default))}</small></td></tr>`).join('');
  return page('Control', 'en', `
    <p class="notice">Local development stand-in for Amazon Cognito: ${escape(issuer)}</p>
    <h1>Switches</h1>
    <p id="outcome" role="status">Values are JSON. Changes work at once and last until reset or the end of the process.</p>
    <form name="switches">
      <button class="main">Apply</button>
      <button type="button" data-post="/_control/reset">Reset all</button>
      <button type="button" data-post="/_control/rotate-keys">Rotate the signing keys</button>
      <table>${rows}</table>
    </form>
    <script>
      const outcome = document.getElementById('outcome');
      async function post(path, body) {
        const response = await fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
        const answer = await response.json();
        outcome.textContent = response.ok ? 'Done.' : answer.error;
        if (response.ok && path !== '/_control/rotate-keys') for (const [name, value] of Object.entries(answer)) document.forms.switches[name].value = JSON.stringify(value);
      }
      for (const button of document.querySelectorAll('[data-post]')) button.onclick = () => post(button.dataset.post, {});
      document.forms.switches.onsubmit = (event) => {
        event.preventDefault();
        try {
          post('/_control', Object.fromEntries([...new FormData(event.target)].map(([name, value]) => [name, JSON.parse(value)])));
        } catch (error) { outcome.textContent = error.message; }
      };
    </script>`);
}
