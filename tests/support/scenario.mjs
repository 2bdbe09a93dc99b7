// The frame of a file of browser tests: one product and one Chromium for the file, one fresh visitor for each test.

import { after, before, test } from 'node:test';

import { launchChromium, Visitor } from './chromium.mjs';
import { startProduct } from './start.mjs';

/**
 * `start` are options of `npm start`, `browser` of the launch, `context` of every visitor's profile. Gives a function
 * `(name, run, context)` that declares a test; `run` gets `{ visitor, page, product, newVisitor }`. After each the visitor's
 * console must be clean, and after the last nothing of `npm start` may be left.
 */
export function scenarios({ start = [], browser: launch = {}, context: common = {} } = {}) {
  let product;
  let browser;
  before(async () => {
    product = await startProduct(start);
    browser = await launchChromium(launch);
  }, { timeout: 330_000 });
  after(async () => {
    await browser?.close();
    await product?.stop();
  }, { timeout: 30_000 });

  return (name, run, context = {}) => {
    test(name, { timeout: 90_000 }, async () => {
      await product.reset();
      const visitors = [];
      const newVisitor = async (more = {}) => {
        visitors.push(await Visitor.arrive(browser, product, { ...common, ...context, ...more }));
        return visitors.at(-1);
      };
      try {
        const visitor = await newVisitor();
        await run({ visitor, page: visitor.page, product, newVisitor });
        for (const each of visitors) each.assertNoFaults();
      } finally {
        for (const each of visitors) await each.leave();
      }
    });
  };
}
