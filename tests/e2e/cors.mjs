// Reads an object from pages of several origins in a real browser and prints what each page saw as one JSON document.
//
//   node cors.mjs NODE_MODULES CHROMIUM PROFILE_DIR OBJECT_URL AUTHORIZATION PAGE_URL...

import { createRequire } from 'node:module';

const [modules, chromium, profile, objectUrl, authorization, ...pages] = process.argv.slice(2);
const playwright = createRequire(`${modules}/`)('playwright-core');

const context = await playwright.chromium.launchPersistentContext(profile, {
  executablePath: chromium,
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

try {
  const seen = [];
  for (const url of pages) {
    const page = await context.newPage();
    await page.goto(url);
    seen.push(
      await page.evaluate(
        async ([object, authorization]) => {
          const get = async (name, options) => {
            const target = `${object}?case=${name}`;
            const headers = { authorization, 'x-take': '7' };
            try {
              const answer = await fetch(target, { headers, cache: 'no-store', ...options });
              return { status: answer.status, text: await answer.text(), etag: answer.headers.get('etag') };
            } catch (error) {
              return { error: error.name };
            }
          };
          const timed = async (name) => {
            const target = `${object}?case=${name}&token=${authorization.split(' ')[1]}`;
            await fetch(target, { credentials: 'omit', cache: 'no-store' }).catch(() => {});
            const deadline = performance.now() + 5_000;
            let entries = [];
            while (entries.length === 0 && performance.now() < deadline) {
              entries = performance.getEntriesByName(target);
              await new Promise((resolve) => setTimeout(resolve, 20));
            }
            // What a page may not see is 0.
            return { shown: entries.length === 1 && entries[0].requestStart > 0 && entries[0].responseStart > 0 };
          };
          return {
            plain: await get('plain', { credentials: 'omit' }),
            credentials: await get('credentials', { credentials: 'include' }),
            timing: await timed('timing'),
          };
        },
        [objectUrl, authorization],
      ),
    );
    await page.close();
  }
  console.log(JSON.stringify(seen));
} finally {
  await context.close();
}
