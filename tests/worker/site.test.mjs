// The site under its rules, from the Worker's own assets: who may read which path, and paths that could be read in two ways.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';

import { assertErrorJson, assertErrorPage, assertOwnHeaders } from '../support/answers.mjs';
import { baseConfig, NAVIGATION, OWN_SCRIPT, PUBLIC_URL, startGateway } from '../support/gateway.mjs';

const FILES = [
  'index.html', 'admin.html', 'admin/index.html', 'admin/deep/x.txt', 'staff/index.html', 'public/index.html', 'public/page.html', 'assets/app.js',
  'app/index.html', 'app/a b.html', 'private.txt', '404.html',
];
const folder = mkdtempSync(join(tmpdir(), 'edgegate-site-'));
for (const file of FILES) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), `this is ${file}`);
}
const RULES = JSON.stringify([
  { path: '/', allow: 'public' },
  { path: '/public/secret/*', allow: 'signed-in' },
  { path: '/public/*', allow: 'public' },
  { path: '/assets/*', allow: 'public' },
  { path: '/admin/*', allow: { groups: ['admin'] } },
  { path: '/staff/*', allow: { groups: ['staff', 'admin'] } },
]);

const gateway = await startGateway({ vars: { RULES }, config: { assets: { ...baseConfig().assets, directory: folder } } });
after(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true });
});

const nobody = gateway.browser();
const alice = await gateway.signedIn(); // of the group admin
const bob = await gateway.signedIn({ email: 'bob@example.com' }); // of no group

async function assertFile(response, file) {
  assert.equal(response.status, 200, await response.clone().text());
  assert.equal(await response.text(), `this is ${file}`);
}

async function assertLogin(response, returnTo) {
  assert.equal(response.status, 302);
  assert.equal(response.headers.get('location'), `/auth/login?return_to=${encodeURIComponent(returnTo)}`);
  assert.deepEqual(response.headers.getSetCookie(), []);
  assertOwnHeaders(response);
}

describe('a public path', () => {
  for (const [path, file] of Object.entries({
    '/': 'index.html', '/public/': 'public/index.html', '/public/page.html': 'public/page.html', '/assets/app.js': 'assets/app.js',
  })) {
    test(`${path} is open to everybody`, async () => {
      await assertFile(await nobody.navigate(path), file);
      await assertFile(await nobody.script(path), file);
      await assertFile(await bob.navigate(path), file);
      assert.equal((await nobody.send(path, { method: 'HEAD' })).status, 200);
    });
  }

  test('that is not there is 404, never a login and never another page', async () => {
    for (const path of ['/public/none.html', '/assets/none.js', '/public/none/']) {
      for (const browser of [nobody, alice]) {
        const response = await browser.navigate(path);
        assert.equal(response.status, 404);
        assert.doesNotMatch(await response.text(), /this is/);
      }
    }
  });

  test('keeps what the assets say about caching, and answers 304', async () => {
    const { headers } = await nobody.navigate('/assets/app.js');
    assert.doesNotMatch(headers.get('cache-control') ?? '', /private|no-store/);
    const again = await nobody.script('/assets/app.js', { headers: { 'if-none-match': headers.get('etag') } });
    assert.equal(again.status, 304);
    assert.equal(await again.text(), '');
  });

  test('under another host leads to the same path at the public URL, and is there for scripts as well', async () => {
    const response = await gateway.fetch('http://127.0.0.1:8787/?x=1', { headers: NAVIGATION });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), `${gateway.publicUrl}/?x=1`);
    await assertFile(await gateway.fetch('http://127.0.0.1:8787/', { headers: OWN_SCRIPT }), 'index.html');
  });

  test('needs no session that lives: a cookie of nobody changes nothing', async () => {
    await assertFile(await nobody.navigate('/', { cookie: `edgegate-session=${'A'.repeat(64)}` }), 'index.html');
  });
});

describe('a signed-in path', () => {
  for (const [path, file] of Object.entries({
    '/app/': 'app/index.html', '/app/?view=1': 'app/index.html', '/app/a%20b.html': 'app/a b.html', '/private.txt': 'private.txt',
    '/index.html': 'index.html', '/admin.html': 'admin.html',
  })) {
    test(`${path} is open to everybody who is signed in, and to nobody else`, async () => {
      await assertFile(await bob.navigate(path), file);
      await assertFile(await bob.script(path), file);
      await assertLogin(await nobody.navigate(path), path);
      const body = await assertErrorJson(await nobody.script(path), 401, 'session_required');
      assert.equal(body.loginUrl, `${PUBLIC_URL}/auth/login`);
    });
  }

  test('is any path that no rule names, also below a public one where an earlier rule says so', async () => {
    await assertLogin(await nobody.navigate('/nothing/here'), '/nothing/here');
    await assertLogin(await nobody.navigate('/public/secret/x'), '/public/secret/x');
    assert.equal((await bob.navigate('/nothing/here')).status, 404);
  });

  test('is asked for as it is written: cases differ', async () => {
    await assertLogin(await nobody.navigate('/Public/page.html'), '/Public/page.html');
    await assertLogin(await nobody.navigate('/PUBLIC/page.html'), '/PUBLIC/page.html');
  });

  test('is 401 for what is not a page load: prefetches, images, other methods, no word of HTML', async () => {
    for (const headers of [
      { ...NAVIGATION, 'sec-purpose': 'prefetch' },
      { ...NAVIGATION, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
      OWN_SCRIPT, { accept: 'application/json' }, {},
    ]) {
      await assertErrorJson(await gateway.fetch('/app/', { headers }), 401, 'session_required');
    }
  });

  test('is a page of ours in a frame, whose link signs in in the whole window', async () => {
    const response = await gateway.fetch('/app/?x=1', { headers: { ...NAVIGATION, 'sec-fetch-dest': 'iframe' } });
    const page = await assertErrorPage(response, 401, 'session_required', { ancestors: "'self'" });
    assert.match(page, /<a class="main" target="_top" href="\/auth\/login\?return_to=%2Fapp%2F%3Fx%3D1">Sign in<\/a>/);
  });

  test('leads an old browser, which sends no fetch metadata, to the login by its Accept', async () => {
    await assertLogin(await gateway.fetch('/app/', { headers: { accept: 'text/html,application/xhtml+xml' } }), '/app/');
  });

  test('whose address is too long to return to leads to the login all the same, and back to its path', async () => {
    await assertLogin(await nobody.navigate(`/app/?${'x'.repeat(2100)}`), '/app/');
  });

  test('under another host leads to the same path at the public URL first', async () => {
    const response = await gateway.fetch('http://127.0.0.1:8787/app/?x=1', { headers: NAVIGATION });
    assert.equal(response.status, 302);
    assert.equal(response.headers.get('location'), `${PUBLIC_URL}/app/?x=1`);
    await assertErrorJson(await gateway.fetch('http://127.0.0.1:8787/app/', { headers: OWN_SCRIPT }), 401, 'session_required');
  });

  test('is kept by the browser alone, and answers HEAD and 304', async () => {
    const { headers } = await bob.navigate('/app/');
    assert.match(headers.get('cache-control'), /private/);
    assert.doesNotMatch(headers.get('cache-control'), /public|s-maxage/);
    const again = await bob.script('/app/', { headers: { 'if-none-match': headers.get('etag') } });
    assert.equal(again.status, 304);
    const head = await bob.script('/app/', { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(await head.text(), '');
  });
});

describe('a path for groups', () => {
  test('is open to members, forbidden to others, and nobody learns what is there', async () => {
    for (const [path, file] of [
      ['/admin/', 'admin/index.html'], ['/admin/index.html', 'admin/index.html'], ['/admin/deep/x.txt', 'admin/deep/x.txt'],
    ]) {
      await assertFile(await alice.navigate(path), file);
      await assertErrorPage(await bob.navigate(path), 403, 'forbidden');
      await assertErrorJson(await bob.script(path), 403, 'forbidden');
      await assertLogin(await nobody.navigate(path), path);
    }
    await assertErrorPage(await bob.navigate('/admin/none'), 403, 'forbidden');
    assert.equal((await alice.navigate('/admin/none')).status, 404);
  });

  test('is open to a member of any of its groups', async () => {
    await assertFile(await alice.navigate('/staff/'), 'staff/index.html');
    await assertErrorPage(await bob.navigate('/staff/'), 403, 'forbidden');
  });

  test('covers the folder\'s own name, and no longer name', async () => {
    await assertErrorPage(await bob.navigate('/admin'), 403, 'forbidden');
    await assertFile(await bob.navigate('/admin.html'), 'admin.html');
    assert.equal((await bob.navigate('/administrator')).status, 404);
    assert.equal((await bob.navigate('/Admin/')).status, 404, 'another folder');
  });

  test('is forbidden on a page from which one can sign out', async () => {
    const response = await bob.navigate('/admin/');
    assert.equal(response.headers.get('referrer-policy'), 'same-origin');
    assert.match(response.headers.get('content-security-policy'), new RegExp(`form-action 'self' ${gateway.cognito.origin}`));
    assert.match(await response.text(), /<form method="post" action="\/auth\/logout">/);
  });
});

test('a page has one address: no file answers under a second one', async () => {
  for (const path of ['/public/page', '/public/index', '/admin/index', '/app/index', '/404', '/admin.html/', '/private']) {
    assert.equal((await alice.navigate(path)).status, 404, path);
  }
});

test('a folder without its slash leads to its page, where it has one; for a script it is not there', async () => {
  const response = await alice.navigate('/app?view=reports');
  assert.deepEqual([response.status, response.headers.get('location')], [302, '/app/?view=reports']);
  assert.equal((await alice.script('/app')).status, 404);
});

test('a page that is not there is the gateway\'s own page, which no cache keeps', async () => {
  const response = await alice.navigate('/app/missing.html');
  await assertErrorPage(response, 404, 'not_found');
  assert.equal(response.headers.get('cache-control'), 'no-store');
});

describe('a path that another server could read differently is refused:', () => {
  for (const path of [
    '/public/%2e%2e%2fadmin/', '/public/..%2fadmin/', '/admin%2f', '/admin%2Findex.html', '/public%5c..%5cadmin/', '/public/%5Cx',
    '/public/%00', '/public/page.html%00.js',
    '/public/%0a', '/public/%0d%0aSet-Cookie:x', '/public/%09x', '/public/%7f', '/public/%252e%252e/admin/', '/public/%252fadmin',
    '/public/%25%32%66', '//admin/',
    '/public//page.html', '/public/;/admin/', '/public/..;/admin/', '/admin;x/index.html', '/public/%3b', '//evil.example/', '/public/%',
    '/public/%4', '/public/%zz',
    '/public/%ff', '/public/%c0%ae%c0%ae/admin/',
  ]) {
    test(path, async () => {
      for (const browser of [nobody, alice]) {
        await assertErrorPage(await browser.navigate(path), 400, 'invalid_request');
        const response = await browser.script(path);
        assert.deepEqual(response.headers.getSetCookie(), []);
        await assertErrorJson(response, 400, 'invalid_request');
      }
    });
  }
});

describe('a path in another spelling falls under the rule of what it is:', () => {
  for (const [path, plain] of Object.entries({
    '/public/../admin/': '/admin/', '/public/%2e%2e/admin/': '/admin/', '/public/.%2E/admin/': '/admin/',
    '/./admin/': '/admin/', '/public\\..\\admin/': '/admin/', '/public/..\\admin/index.html': '/admin/index.html',
  })) {
    test(`${path} is ${plain}`, async () => {
      assert.equal((await nobody.navigate(path)).status, 302);
      await assertErrorPage(await bob.navigate(path), 403, 'forbidden');
      await assertFile(await alice.navigate(path), 'admin/index.html');
    });
  }

  test('/%61dmin/ is /admin/: forbidden to others, and the assets send a member to the plain spelling', async () => {
    for (const path of ['/%61dmin/', '/%61%64%6d%69%6e/']) {
      assert.equal((await nobody.navigate(path)).status, 302);
      await assertErrorPage(await bob.navigate(path), 403, 'forbidden');
      const response = await alice.navigate(path);
      assert.equal(response.status, 307);
      assert.equal(response.headers.get('location'), '/admin/index.html');
    }
  });

  test('/%61uth/login is the login, and /auth/%6cogin too', async () => {
    for (const path of ['/%61uth/login', '/auth/%6cogin', '/public/../auth/login']) {
      const response = await nobody.copy().navigate(path);
      assert.equal(response.status, 302);
      assert.ok(response.headers.get('location').startsWith(`${gateway.cognito.origin}/oauth2/authorize?`));
    }
  });

  test('a query is no path: nothing in it is refused or changed', async () => {
    await assertFile(await nobody.navigate('/public/page.html?x=..%2f%2e%2e;//%00'), 'public/page.html');
    await assertLogin(await nobody.navigate('/app/?x=..%2f;//'), '/app/?x=..%2f;//');
  });
});

describe('what lies below the gateway\'s own routes is never the site:', () => {
  for (const path of [
    '/user-info/x.css', '/auth/token.js', '/auth/', '/auth', '/auth/login/', '/auth/LOGIN', '/config/x', '/healthz/', '/readyz/x.js',
    '/auth/key-set',
  ]) {
    test(`${path} is 404 and is not stored`, async () => {
      for (const browser of [nobody, alice]) {
        await assertErrorPage(await browser.navigate(path), 404, 'not_found');
        const body = await (await browser.script(path)).text();
        assert.doesNotMatch(body, /alice|eyJ/);
        await assertErrorJson(await browser.script(path), 404, 'not_found');
      }
    });
  }

  test('but what only begins like one is the site', async () => {
    await assertLogin(await nobody.navigate('/user-info.css'), '/user-info.css');
    await assertLogin(await nobody.navigate('/authors'), '/authors');
    await assertLogin(await nobody.navigate('/configuration'), '/configuration');
  });
});

describe('the site takes GET and HEAD only, and OPTIONS of what is public:', () => {
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    test(`${method} is 405 with Allow on what one may read, and 401 on what one may not`, async () => {
      const [open, gated] = [[[nobody, '/'], [nobody, '/public/none']], [[bob, '/app/'], [alice, '/admin/']]];
      for (const [browser, path] of method === 'OPTIONS' ? gated : [...open, ...gated]) {
        const response = await browser.script(path, { method });
        assert.equal(response.headers.get('allow'), browser === nobody ? 'GET, HEAD, OPTIONS' : 'GET, HEAD');
        await assertErrorJson(response, 405, 'method_not_allowed');
      }
      await assertErrorJson(await nobody.script('/app/', { method }), 401, 'session_required');
      await assertErrorPage(await gateway.fetch('/app/', { method, headers: NAVIGATION }), 401, 'session_required');
      await assertErrorJson(await bob.script('/admin/', { method }), 403, 'forbidden');
    });
  }

  test('OPTIONS of a public path is answered by the assets, which say no', async () => {
    const response = await nobody.script('/', { method: 'OPTIONS' });
    assert.equal(response.status, 405);
    assert.equal(await response.text(), '');
  });
});
