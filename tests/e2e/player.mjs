// Plays a channel on the watch page in a real browser and prints what happened as one JSON document.
//
//   node player.mjs NODE_MODULES CHROMIUM PROFILE_DIR PAGE_URL PLAYLIST SECONDS

import { createRequire } from 'node:module';

const [modules, chromium, profile, pageUrl, playlist, seconds] = process.argv.slice(2);
const playwright = createRequire(`${modules}/`)('playwright-core');
const START_LIMIT_MS = 30_000;

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
    '--autoplay-policy=no-user-gesture-required',
    '--mute-audio',
  ],
});

try {
  const origins = new Set();
  const failed = [];
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    // What the page makes itself: media sources and inline images.
    if (protocol !== 'blob:' && protocol !== 'data:') origins.add(origin);
  });
  context.on('response', (response) => {
    if (response.status() >= 400) failed.push(`${response.status()} ${new URL(response.url()).pathname}`);
  });
  const page = await context.newPage();
  page.on('pageerror', (error) => failed.push(String(error)));
  await page.goto(pageUrl);
  await page.locator(`button.channel[data-name="${playlist}"]`).click({ timeout: START_LIMIT_MS });
  await page.waitForFunction(
    () => document.getElementById('video').currentTime > 0 && document.getElementById('video').readyState >= 3,
    null,
    { timeout: START_LIMIT_MS },
  );
  const position = () => page.evaluate(() => document.getElementById('video').currentTime);
  const start = await position();
  await page.waitForTimeout(Number(seconds) * 1000);
  const advanced = (await position()) - start;
  const state = await page.evaluate(() => {
    const { stalls, fatalErrors, message, latency, droppedFrames, player } = window.headwater;
    return { stalls, fatalErrors, message, latency, droppedFrames, live: player.isLive, level: player.level?.name };
  });
  console.log(JSON.stringify({ advanced, ...state, origins: [...origins].sort(), failed }));
} finally {
  await context.close();
}
