// What a browser does at Cognito's pages, by plain fetch: follow redirects by hand, fill in the form, keep the cookies.

const MAX_STEPS = 10;

/**
 * From an /oauth2/authorize URL to the first URL that leaves Cognito's origin, which is returned and not followed.
 * `jar` is a Map of Cognito's cookies; pass the one that came back to sign in again as the same browser (SSO).
 */
export async function signIn(authorizeUrl, { email = 'alice@example.com', password = 'Passw0rd!', jar = new Map(), cancel = false } = {}) {
  const { origin } = new URL(authorizeUrl);
  let url = new URL(authorizeUrl).href;
  let form;

  for (let step = 0; step < MAX_STEPS; step += 1) {
    const posted = form !== undefined;
    const response = await browse(url, jar, form);
    form = undefined;
    const location = response.headers.get('location');
    const page = await response.text();

    if (location !== null && response.status >= 300 && response.status < 400) {
      url = new URL(location, url).href;
      if (new URL(url).origin !== origin) return { callbackUrl: url, jar };
    } else if (response.status === 200 && !posted) {
      ({ url, form } = fillIn(page, url, { email, password, cancel }));
    } else {
      throw new Error(`sign-in got no further than ${response.status} at ${new URL(url).pathname}: ${problemOf(page)}`);
    }
  }
  throw new Error(`sign-in did not leave ${origin} within ${MAX_STEPS} steps`);
}

async function browse(url, jar, form) {
  const cookies = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(url, {
    method: form ? 'POST' : 'GET',
    body: form,
    redirect: 'manual',
    headers: { accept: 'text/html', ...(cookies && { cookie: cookies }) },
  });
  for (const line of response.headers.getSetCookie()) keepCookie(jar, line);
  return response;
}

function keepCookie(jar, line) {
  const [, name, value] = /^([^=;]+)=([^;]*)/.exec(line);
  if (/;\s*max-age=0\b/i.test(line)) jar.delete(name);
  else jar.set(name, value);
}

function fillIn(page, pageUrl, { email, password, cancel }) {
  const action = /<form[^>]*action="([^"]*)"/.exec(page)?.[1];
  if (action === undefined) throw new Error(`no form on the page at ${new URL(pageUrl).pathname}`);
  const form = new URLSearchParams();
  for (const [input] of page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
    form.set(attribute(input, 'name'), attribute(input, 'value'));
  }
  if (cancel) form.set('cancel', '1');
  else {
    form.set('username', email);
    form.set('password', password);
  }
  return { url: new URL(unescape(action), pageUrl).href, form };
}

function attribute(tag, name) {
  return unescape(new RegExp(`${name}="([^"]*)"`).exec(tag)?.[1] ?? '');
}

function unescape(text) {
  return text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function problemOf(page) {
  return /class="problem"[^>]*>([^<]*)</.exec(page)?.[1] ?? page.slice(0, 200);
}
