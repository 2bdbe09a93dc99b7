// Chromium and what the browser tests look at in it: pages, storages, cookies, and what its console complains of.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { chromium } from 'playwright-core';

const LAUNCH = {
  executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-background-networking', '--disable-component-update'],
};

/** Far more than anything here takes, far less than a test may. */
const PATIENCE_MS = 20_000;

/** `backForwardCache` as Chromium has it by default, which Playwright turns off. */
export function launchChromium({ backForwardCache = false } = {}) {
  return chromium.launch({ ...LAUNCH, ...(backForwardCache && { ignoreDefaultArgs: ['--disable-back-forward-cache'] }) });
}

/** One person at one browser: a profile of its own, and a list of everything that its console complained of. */
export class Visitor {
  #faults = [];
  #expected = [];
  #allowed = [];

  static async arrive(browser, product, options = {}) {
    const context = await browser.newContext({ locale: 'en-GB', ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return new Visitor(context, product, await context.newPage());
  }

  constructor(context, product, page) {
    this.context = context;
    this.product = product;
    this.page = page;
    // Chromium tells breaches of a Content-Security-Policy and refused CORS requests as console errors too.
    context.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#faults.push(`${message.text()} (${message.location().url})`);
    });
    context.on('weberror', (error) => this.#faults.push(String(error.error())));
  }

  /** Announces console errors that belong to what a test does; a test fails if none comes, too. */
  expectFault(pattern) {
    this.#expected.push(pattern);
  }

  /** For what Chromium tells of one way of being refused and not of another. */
  allowFault(pattern) {
    this.#allowed.push(pattern);
  }

  assertNoFaults() {
    const known = [...this.#expected, ...this.#allowed];
    const surprises = this.#faults.filter((fault) => !known.some((pattern) => pattern.test(fault)));
    assert.deepEqual(surprises, [], 'console errors');
    const missing = this.#expected.filter((pattern) => !this.#faults.some((fault) => pattern.test(fault)));
    assert.deepEqual(missing, [], 'console errors that were expected and did not come');
  }

  /** Opens a path of the gateway. */
  open(address, page = this.page) {
    return page.goto(this.product.gateway + address);
  }

  /** Fills in Cognito's form, which the page must be at or be about to come to. */
  async signIn(email, page = this.page, password = 'Passw0rd!') {
    await this.untilAtCognito(page);
    await page.fill('input[name=username]', email);
    await page.fill('input[name=password]', password);
    await page.click('button[name=signInSubmitButton]');
  }

  /** From a link to a page of the app, through the sign-in, to that very link. */
  async signInTo(address, email, page = this.page) {
    await this.open(address, page);
    await this.signIn(email, page);
    await this.untilAt(address, page);
    await shows(page, '#user-email', email);
  }

  async untilAtCognito(page = this.page) {
    await page.waitForURL((url) => url.origin === this.product.cognito && url.pathname === '/login');
  }

  /** Until the address bar shows exactly this path and query of the gateway. */
  async untilAt(address, page = this.page) {
    await page.waitForURL(this.product.gateway + address);
  }

  /** The gateway's cookies, by name. */
  async cookies() {
    const all = await this.context.cookies(this.product.gateway);
    return new Map(all.map((cookie) => [cookie.name, cookie]));
  }

  /** The names of the cookies but for what is left of a login for half a minute. */
  async lastingCookies() {
    return [...(await this.cookies()).keys()].filter((name) => !/^(__Host-|edgegate-)?login-/.test(name)).sort();
  }

  /** What the gateway itself says of this browser. */
  async isSignedIn() {
    const response = await this.context.request.get(`${this.product.gateway}/auth/status`);
    assert.equal(response.status(), 200, await response.text());
    return (await response.json()).authenticated;
  }

  leave() {
    return this.context.close();
  }
}

export async function shows(page, selector, text, timeout = PATIENCE_MS) {
  const place = page.locator(selector);
  try {
    await place.filter({ hasText: text }).waitFor({ timeout });
  } catch {
    const there = (await place.allInnerTexts()).join(' | ');
    assert.fail(`${selector} at ${page.url()} does not show ${text} but: ${there || '(not there)'}`);
  }
}

/** Everything that a script of this page could keep or find: all of it must be empty. */
export function storagesOf(page) {
  return page.evaluate(async () => ({
    cookies: document.cookie,
    localStorage: Object.entries(localStorage),
    sessionStorage: Object.entries(sessionStorage),
    databases: (await indexedDB.databases()).map(({ name }) => name),
    caches: await caches.keys(),
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    windowName: window.name,
    historyState: history.state,
  }));
}

export const NOTHING_STORED = {
  cookies: '', localStorage: [], sessionStorage: [], databases: [], caches: [], workers: 0, windowName: '', historyState: null,
};

/** Every address that the back and forward buttons of this tab lead to. */
export async function historyOf(page) {
  const session = await page.context().newCDPSession(page);
  const { entries, currentIndex } = await session.send('Page.getNavigationHistory');
  await session.detach();
  return { addresses: entries.map(({ url }) => url), at: currentIndex };
}

/** Marks the document, to be found again with `isSameDocument`: a navigation or reload makes a new one. */
export async function markDocument(page) {
  await page.evaluate(() => { window.markOfTest = true; });
}

export function isSameDocument(page) {
  return page.evaluate(() => window.markOfTest === true);
}

/** Keeps a picture in the folder that EDGEGATE_SCREENSHOTS names, where it names one. */
export async function screenshot(page, name) {
  const folder = process.env.EDGEGATE_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}
