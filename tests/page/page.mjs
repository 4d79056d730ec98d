// Drives the status page as a reader would. Started by page_test.py, which says in JSON where page,
// simulator and browser are.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';

const require = createRequire(new URL('..', import.meta.url));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const settings = JSON.parse(process.argv[2]);
const base = settings.page;
const kPatience = 30_000;

const ask = async (path) => (await fetch(`${base}api/v1/${path}`)).json();
async function results(filter = '') {
  const rows = [];
  for (let after = ''; after !== null;) {
    const page = await ask(`results?limit=1000&after=${after}&${filter}`);
    rows.push(...page.results);
    after = page.next;
  }
  return rows;
}

async function admin(method, path, body) {
  const answer = await fetch(settings.admin + path, { method, body: body && JSON.stringify(body) });
  assert.equal(answer.status, 200, `${method} ${path}: ${await answer.text()}`);
}

const browser = await chromium.launch({
  executablePath: settings.chromium,
  env: { ...process.env, HOME: settings.directory },
  args: [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

/** A window; `blameless` holds against it what it logs, what fails in it and where it asks. */
async function open(hash, { width = 1400, scheme = 'light' } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 900 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(kPatience);
  const page = await context.newPage();
  page.faults = [];
  page.on(
    'console',
    (message) => ['error', 'warning'].includes(message.type()) && page.faults.push(message.text()),
  );
  page.on('pageerror', (error) => page.faults.push(String(error)));
  page.on('dialog', (dialog) => {
    page.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith('data:'))
      page.faults.push(`request to ${request.url()}`);
  });
  await page.goto(base + hash);
  await settled(page);
  return page;
}

const settled = (page) =>
  page.waitForFunction(
    () =>
      document.querySelector('.view') &&
      document.querySelector('main').getAttribute('aria-busy') === 'false' &&
      !/^Reading/.test(document.querySelector('.empty')?.textContent ?? '') &&
      document.querySelector('.view').children.length > 1,
  );

async function visit(page, hash) {
  await page.evaluate((where) => {
    location.hash = where;
  }, hash);
  await page.waitForFunction((where) => location.hash === where, hash);
  await settled(page);
}

function blameless(page, what) {
  assert.deepEqual(page.faults, [], what);
  return page.context().close();
}

const texts = (page, selector) => page.locator(selector).allInnerTexts();
const rows = (page, caption) =>
  page.locator('table', { has: page.locator('caption', { hasText: caption }) }).locator('tbody tr');
const plain = (text) => text.replaceAll('\u00a0', ' ').trim();

const workspace = () => settings.workspace;
const resourceHash = (id, more = '') => `#/resource?id=${encodeURIComponent(id)}${more}`;
const kCheck = '#/check/azure-monitor/NS-2.2-workspace-public-query';

const views = () => ({
  Overview: '#/',
  Controls: '#/controls',
  'NS-2:': '#/control/azure-monitor/NS-2',
  Findings: '#/findings',
  'Log Analytics workspaces do not answer': kCheck,
  [settings.hostile]: resourceHash(workspace()),
  Drift: '#/drift?show=all',
  'Drift 1': '#/drift/1',
  Acceptances: '#/acceptances',
  Exemptions: '#/exemptions',
  History: '#/history',
  Health: '#/health',
});

// ---------------------------------------------------------------- cases

/** Fits the window, and breaks no rule of accessibility that a program can judge. */
async function sound(page, what) {
  const [wide, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    innerWidth,
  ]);
  assert.ok(wide <= window, `${what}: ${wide} px wide`);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, {
      resultTypes: ['violations'],
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    }),
  );
  assert.deepEqual(
    found.violations.map((v) => [v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))]),
    [],
    what,
  );
}

async function every_view_is_sound() {
  const walk = async (width, scheme) => {
    const page = await open('#/', { width, scheme });
    await page.evaluate(axe);
    for (const [title, hash] of Object.entries(views())) {
      const what = `${hash} at ${width} px, ${scheme}`;
      await visit(page, hash);
      assert.ok(
        (await page.locator('h1').innerText()).startsWith(title),
        `${what}: ${await page.locator('h1').innerText()}`,
      );
      assert.equal(await page.locator('.bad').count(), 0, `${what}: an error is shown`);
      assert.ok((await page.title()).includes('Plumbline'), what);
      await sound(page, what);
    }
    await blameless(page, `${width} ${scheme}`);
  };
  await Promise.all([walk(1400, 'light'), walk(420, 'dark')]);
  const page = await open('#/', { width: 900 });
  for (const hash of Object.values(views())) {
    await visit(page, hash);
    assert.ok(
      await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
      `${hash} at 900 px is too wide`,
    );
  }
  await blameless(page, '900 px');
}

/** Text is axe's business; this is about what is no text: focus, bars, borders of fields, lines. */
async function graphics_have_contrast() {
  for (const scheme of ['light', 'dark']) {
    const page = await open('#/', { scheme });
    const ratios = await page.evaluate(() => {
      const canvas = document.createElement('canvas').getContext('2d');
      const luminance = (name) => {
        canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        const parts = canvas.fillStyle
          .match(/\w\w/g)
          .map((hex) => Number.parseInt(hex, 16) / 255)
          .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const contrast = (x, y) => {
        const [dark, light] = [luminance(x), luminance(y)].sort((m, n) => m - n);
        return (light + 0.05) / (dark + 0.05);
      };
      const out = {};
      for (const ground of ['--ground', '--panel']) {
        for (const name of [
          '--link',
          '--ok-fill',
          '--nc-fill',
          '--er-fill',
          '--ot-fill',
          '--ink-fill',
          '--hatch',
        ])
          out[`${name} on ${ground}`] = [contrast(name, ground), 3];
        for (const name of ['--ink', '--quiet', '--link', '--ok', '--nc', '--ne', '--er'])
          out[`${name} text on ${ground}`] = [contrast(name, ground), 4.5];
      }
      for (const ground of ['--bad', '--warn', '--good', '--soft'])
        out[`--ink text on ${ground}`] = [contrast('--ink', ground), 4.5];
      return out;
    });
    const weak = Object.entries(ratios).filter(([, [is, least]]) => is < least);
    assert.deepEqual(weak, [], `contrast, ${scheme}`);
    await blameless(page, scheme);
  }
}

async function figures_agree_with_the_command_line() {
  const page = await open('#/');
  assert.deepEqual((await texts(page, '.big')).map(plain), settings.overall);
  assert.ok(
    (await texts(page, '.figure')).some((text) => plain(text).endsWith(`unweighted: ${settings.azure}`)),
    (await texts(page, '.figure')).join('; '),
  );
  await visit(page, '#/controls');
  const shown = [];
  for (const row of await rows(page, 'Controls of').all()) {
    const cells = (await row.locator('th a, td').allInnerTexts()).map(plain);
    shown.push([
      cells[0],
      cells[1] === 'no score' ? '-' : cells[1],
      cells[2] === 'none applicable' ? '-' : cells[2],
    ]);
  }
  assert.deepEqual(shown, settings.controls, 'controls, their order, scores and coverage');
  await blameless(page, 'figures');
}

async function another_instant_can_be_looked_at() {
  // Before the tenant moved, and after.
  const cycles = (await ask('cycles?limit=1000')).cycles;
  const then = cycles.find((cycle) => cycle.kind === 'details').committed_at;
  const at = then.replace(/\.\d+Z$/, 'Z');
  const past = await ask(`scores?at=${encodeURIComponent(at)}`);
  const page = await open('#/');
  await page.getByLabel('As of (UTC)').fill(at.slice(0, -1));
  await page.waitForFunction(() => document.querySelector('h1').textContent.includes('as of'));
  await settled(page);
  assert.equal(await page.evaluate(() => location.hash), `#/?at=${encodeURIComponent(at)}`);
  const percent = (ratio) => `${(ratio * 100).toFixed(1)} %`;
  assert.deepEqual((await texts(page, '.big')).map(plain), [
    percent(past.overall.score),
    percent(past.overall.coverage),
  ]);
  assert.equal(await page.locator('.trend').count(), 0, 'no trend of another time');
  // What was found then.
  await page.locator('.legend a[href*="state=NoEvidence"]').click();
  await settled(page);
  await page.locator('.chip', { hasText: `at: ${at}` }).waitFor();
  const found = (await ask(`results?at=${encodeURIComponent(at)}&state=NoEvidence&limit=1000`)).results;
  await page.waitForFunction(
    (n) => document.querySelectorAll('tbody tr').length === n,
    Math.min(50, found.length),
  );
  await visit(page, '#/?at=2001-01-01T00:00:00Z');
  await page.locator('.note.bad', { hasText: 'nothing was known then' }).waitFor();
  page.faults.length = 0; // the browser tells of every 404
  await visit(page, `#/?at=${encodeURIComponent(at)}`);
  await page.getByRole('link', { name: 'Back to now' }).click();
  await page.locator('.trend').waitFor();
  await blameless(page, 'another instant');
}

async function findings_filter_order_and_page() {
  const page = await open('#/findings');
  const all = await results('state=NonCompliant');
  assert.ok(all.length > 150);
  // Page by page through everything, the severest first.
  const seen = [];
  const severities = [];
  for (let number = 1; ; number += 1) {
    await page.waitForFunction(
      (n) =>
        new RegExp(`^${n === 1 ? '1' : (n - 1) * 50 + 1} to `).test(
          document.querySelector('.tell').textContent,
        ),
      number,
    );
    seen.push(
      ...(await page
        .locator('tbody th a')
        .evaluateAll((links) => links.map((link) => link.getAttribute('href')))),
    );
    severities.push(...(await texts(page, '.severity')));
    const next = page.locator('.pages a', { hasText: 'Next' });
    if ((await next.count()) === 0) break;
    await next.click();
  }
  assert.equal(seen.length, all.length);
  assert.equal(new Set(seen).size, all.length, 'every verdict once');
  const rank = ['critical', 'high', 'medium', 'low'];
  assert.deepEqual(
    severities,
    [...severities].sort((x, y) => rank.indexOf(x) - rank.indexOf(y)),
  );
  const last = await page.evaluate(() => location.hash);
  await page.locator('.pages a', { hasText: 'Previous' }).click();
  await page.waitForFunction(
    (at) =>
      document.querySelector('.pages').textContent.includes(`Page ${at}`) &&
      document.querySelectorAll('tbody tr').length === 50,
    Math.ceil(all.length / 50) - 1,
  );
  // A page is a link: another window shows the same rows.
  const other = await open(last);
  const again = await other
    .locator('tbody th a')
    .evaluateAll((links) => links.map((link) => link.getAttribute('href')));
  assert.deepEqual(again, seen.slice(-again.length));
  await blameless(other, 'deep link to a page');

  const shown = async () =>
    (await page.locator('.tell').innerText())
      .match(/(?:of )?([\d,]+) verdicts?$/)?.[1]
      .replace(',', '') ?? (await page.locator('.tell').innerText());
  const select = async (label, value) => {
    await page.getByRole('combobox', { name: label, exact: true }).selectOption(value);
    await settled(page);
  };
  await visit(page, '#/findings?state=any');
  const every = await results();
  const expect = async (what, fits) => {
    const wanted = String(every.filter(fits).length);
    await page
      .waitForFunction(
        (n) =>
          new RegExp(`(^|of |to )${n}( |,|$)`).test(
            document.querySelector('.tell').textContent.replaceAll(',', ''),
          ) || n === '0',
        wanted,
      )
      .catch(async () =>
        assert.fail(
          `${what}: ${wanted} expected, page says ${await page.locator('.tell').innerText()}`,
        ),
      );
    if (every.filter(fits).length <= 50)
      assert.equal(await shown(), wanted === '0' ? 'Nothing' : wanted, what);
  };
  await expect('any', () => true);
  await select('State', 'NoEvidence');
  await expect('state', (r) => r.state === 'NoEvidence');
  await select('Severity', 'high');
  await expect('state and severity', (r) => r.state === 'NoEvidence' && r.severity === 'high');
  await visit(page, '#/findings?state=any&severity=critical');
  await expect('severity', (r) => r.severity === 'critical');
  await visit(page, '#/findings?state=any&control=PA-7');
  await expect('control', (r) => r.reference.startsWith('PA-7'));
  await select('Type', 'microsoft.operationalinsights/workspaces');
  await expect(
    'control and type',
    (r) => r.reference.startsWith('PA-7') && r.type === 'microsoft.operationalinsights/workspaces',
  );
  await select('Subscription', '3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1');
  await expect(
    'control, type, subscription',
    (r) =>
      r.reference.startsWith('PA-7') &&
      r.type === 'microsoft.operationalinsights/workspaces' &&
      r.resource_key.includes('3f2a9c54'),
  );
  await visit(page, '#/findings?state=NoEvidence');
  await page.getByLabel('Text').fill('STCONTOSO');
  await expect(
    'text',
    (r) =>
      r.state === 'NoEvidence' &&
      `${r.resource_id}${r.title}${r.type}${r.reason}${r.reference}`
        .toLowerCase()
        .includes('stcontoso'),
  );
  assert.match(await page.evaluate(() => location.hash), /q=STCONTOSO/);
  await page.getByLabel('Text').fill('nothing is called this');
  await page.waitForFunction(
    () => document.querySelector('.empty')?.textContent === 'Nothing matches.',
  );
  await blameless(page, 'findings');
}

async function links_from_elsewhere_lead_where_they_say() {
  const page = await open(kCheck);
  assert.equal(
    await page.locator('h1').innerText(),
    'Log Analytics workspaces do not answer queries from public networks',
  );
  await page.locator('.tabs a', { hasText: 'NonCompliant' }).click();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('td .state')].every(
      (state) => state.textContent === 'NonCompliant',
    ),
  );
  const wanted = (await results('reference=NS-2.2-workspace-public-query&state=NonCompliant'))
    .length;
  assert.equal(await rows(page, 'Findings').count(), wanted);
  await visit(page, '#/drift?kind=baseline&severity=high');
  assert.deepEqual([...new Set(await texts(page, 'td .severity'))], ['high']);
  await page.goBack();
  await page.waitForFunction(() => location.hash.startsWith('#/check/'));
  for (const hash of [
    '#/check/azure-monitor/none',
    '#/control/none/NS-1',
    resourceHash('/subscriptions/none'),
  ]) {
    page.faults.length = 0;
    await page.goto(base + hash);
    await page.reload();
    await page.locator('.note.bad').waitFor();
    assert.match(await page.locator('.note.bad').innerText(), /No such|Not Found/);
  }
  page.faults.length = 0; // the browser logs the 404 that was asked for
  await visit(page, '#/nowhere');
  assert.equal(await page.locator('h1').innerText(), 'Not found');
  await blameless(page, 'links');
}

async function keyboard_reaches_an_explanation() {
  const page = await open('#/');
  const focused = () =>
    page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return {
        id: document.activeElement.id,
        href: document.activeElement.getAttribute('href'),
        tag: document.activeElement.localName,
        ring: style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) >= 2,
      };
    });
  const tab_to = async (what, fits) => {
    for (let pressed = 0; pressed < 120; pressed += 1) {
      await page.keyboard.press('Tab');
      const at = await focused();
      assert.ok(at.ring, `no focus ring on ${JSON.stringify(at)}`);
      if (fits(at)) return;
    }
    assert.fail(`the tab key never comes to ${what}`);
  };
  await page.keyboard.press('Tab');
  assert.equal((await focused()).id, 'skip');
  await page.keyboard.press('Enter');
  assert.equal((await focused()).id, 'main');
  await tab_to('a check', ({ href }) => href?.startsWith('#/check/'));
  await page.keyboard.press('Enter');
  await page.waitForFunction(
    () =>
      location.hash.startsWith('#/check/') &&
      document.activeElement.localName === 'h1' &&
      document.querySelector('tbody tr'),
  );
  await tab_to('a resource', ({ href }) => href?.startsWith('#/resource'));
  await page.keyboard.press('Enter');
  await page.locator('.decisive').first().waitFor();
  assert.equal((await focused()).tag, 'h1');
  const open_nodes = await page.locator('.tree details[open]').count();
  await tab_to('a node of the explanation', ({ tag }) => tag === 'summary');
  await page.keyboard.press('Enter');
  assert.equal(
    await page.locator('.tree details[open]').count(),
    open_nodes - 1,
    'a node closes by the keyboard',
  );
  await tab_to('the configuration', ({ tag }) => tag === 'pre');
  await blameless(page, 'keyboard');
}

async function rows_of_the_documents_are_kept() {
  const page = await open('#/controls');
  const { controls } = await ask('controls');
  const features = controls.flatMap((control) => control.features);
  assert.equal(features.length, 20);
  const shown = await rows(page, 'Features of').locator('th a').allInnerTexts();
  assert.deepEqual(
    shown.map(plain),
    features.map(({ id, name }) => `${id} ${name}`),
  );
  const inherited = rows(page, 'Features of').filter({ hasText: 'Azure Resource Logs' });
  assert.match(plain(await inherited.innerText()), /inherited[^]*Microsoft[^]*no score/);
  const recommendations = controls.flatMap((control) => control.recommendations);
  assert.equal(await rows(page, 'Recommendations of').count(), recommendations.length);
  assert.equal(
    await rows(page, 'For information').count(),
    features.flatMap((feature) => feature.information).length,
  );
  await inherited.locator('th a').click();
  await page.locator('h1', { hasText: 'LT-4' }).waitFor();
  await rows(page, 'Features of LT-4').filter({ hasText: 'Azure Resource Logs' }).waitFor();
  assert.equal(await rows(page, 'Features of LT-4').count(), 1);
  await blameless(page, 'controls');
}

async function what_azure_says_is_text() {
  const page = await open(`#/findings?state=any&q=${encodeURIComponent('onerror')}`);
  const names = await texts(page, 'tbody th a');
  assert.ok(names.length > 0 && names.every((name) => name === settings.hostile), String(names));
  await page.locator('tbody th a').first().click();
  await page.locator('.decisive').first().waitFor();
  assert.equal(await page.locator('h1').innerText(), settings.hostile);
  assert.ok((await page.locator('pre').innerText()).includes(settings.hostile), 'configuration');
  await visit(page, '#/exemptions');
  assert.ok(
    (await page.locator('table').innerText()).includes(settings.hostile),
    'description of an exemption',
  );
  assert.equal(await page.locator('main img, main script, main iframe').count(), 0);
  await blameless(page, 'names from Azure');
}

async function exemptions_are_listed() {
  const page = await open('#/exemptions');
  const listed = (await ask('exemptions')).exemptions;
  assert.deepEqual(listed.map((e) => e.state).sort(), ['active', 'expired']);
  const shown = await rows(page, 'Exemptions').allInnerTexts();
  assert.equal(shown.length, 2);
  assert.match(
    shown[0],
    /Development may be written to from anywhere[^]*active[^]*platform-team[^]*never/,
  );
  assert.match(shown[1], /long-over[^]*expired[^]*remove it/);
  const covered = listed[0].verdicts;
  assert.ok(covered > 0);
  await rows(page, 'Exemptions').first().locator('td a').click();
  await page.waitForFunction(() => document.querySelector('h1').textContent === 'Findings');
  await settled(page);
  assert.equal(await rows(page, 'Findings').count(), covered);
  assert.deepEqual([...new Set(await texts(page, 'td .state'))], ['Exempt']);
  await visit(page, '#/');
  assert.match(await page.locator('.note.warn').innerText(), /1 exemption expired or about to/);
  await blameless(page, 'exemptions');
}

async function health_tells_what_is_missing() {
  const page = await open('#/health');
  const missing = (await ask('status')).evidence_missing;
  assert.ok(missing.length > 0);
  assert.equal(await rows(page, 'Missing evidence').count(), missing.length);
  assert.match(await rows(page, 'Missing evidence').first().innerText(), /forbidden/);
  const text = await page.locator('main').innerText();
  for (const part of [
    /Threads\s+all answer/,
    /Azure accepts the identity/,
    /token expires\s+in \d+/,
    /Contoso Production/,
    /resource graph\s+[1-9]/,
  ])
    assert.match(text, part);
  assert.equal(await rows(page, 'Cycles').count(), 10);
  await blameless(page, 'health');
}

const kComponent =
  '/subscriptions/d95b0e17-6a82-4c4f-8e13-b07c3f5a29de/resourceGroups/rg-contoso-dev' +
  '/providers/microsoft.insights/components/appi-contoso-dev';
const kActor = 'mallory@contoso.example';

async function until(what, ready) {
  const end = performance.now() + kPatience;
  for (;;) {
    const value = await ready();
    if (value) return value;
    assert.ok(performance.now() < end, `${what} does not come`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

const drifted = async (filter) => (await ask(`drift?limit=1000&${filter}`)).drift;

/** The command, to the daemon that the page is of. */
const plumbline = (...args) =>
  execFileSync(
    settings.plumbline,
    ['drift', args[0], `--config.file=${settings.config}`, ...args.slice(1)],
    {
      encoding: 'utf8',
    },
  );

/** What reads again without waiting for its time. */
const wake = (page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));

const told = (page, text) =>
  page.waitForFunction((wanted) => document.querySelector('.tell')?.textContent === wanted, text);

/** Something moves, by somebody and as somebody's; the item of the property is answered. */
async function move_something() {
  const by = new URLSearchParams({
    id: kComponent,
    changed_by: kActor,
    client_type: 'Azure Portal',
  });
  await admin('PATCH', `resources?${by}`, {
    properties: { RetentionInDays: 30 },
    tags: { team: settings.hostile },
  });
  return until('drift', async () =>
    (await drifted(`states=all&actor=${kActor}`)).find(
      ({ path }) => path === '/properties/RetentionInDays',
    ),
  );
}

async function drift_is_chosen() {
  const item = await move_something();
  const page = await open('#/drift');
  const select = (label, value) =>
    page.getByRole('combobox', { name: label, exact: true }).selectOption(value);
  const fill = async (label, value) => {
    await page.getByLabel(label, { exact: true }).fill(value);
    await page.keyboard.press('Enter');
  };
  const { counts } = await ask('drift?counts=true&limit=1');
  assert.ok(counts.open > 100, JSON.stringify(counts));
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  await page.locator('.tabs strong').first().waitFor();
  assert.deepEqual(
    (await texts(page, '.tabs a')).map((text) => text.replace(/\s+/, ' ')),
    [
      `Open ${counts.open}`,
      `Accepted ${counts.accepted}`,
      `Snoozed ${counts.snoozed}`,
      `Resolved ${counts.resolved}`,
      `All ${all}`,
    ],
  );
  const narrowed = async (what, filter) => {
    const wanted = (await drifted(filter)).length;
    assert.ok(wanted > 0 && wanted < counts.open, `${what}: ${wanted} of ${counts.open}`);
    await told(page, `${wanted} item${wanted === 1 ? '' : 's'}`);
    for (const [name, value] of new URLSearchParams(filter))
      assert.equal(
        new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1]).get(name),
        value,
        `${what} is kept in the address`,
      );
  };
  await select('Control', 'NS-2');
  await narrowed('control', 'control=NS-2');
  assert.equal(await page.locator('.tabs strong').count(), 0, 'nobody has counted these');
  await select('Severity', 'high');
  await narrowed('control and severity', 'control=NS-2&severity=high');
  await visit(page, '#/drift');
  await select('Subscription', 'd95b0e17-6a82-4c4f-8e13-b07c3f5a29de');
  await narrowed('subscription', 'subscription=d95b0e17-6a82-4c4f-8e13-b07c3f5a29de');
  const of_it = (await ask('drift?counts=true&subscription=d95b0e17-6a82-4c4f-8e13-b07c3f5a29de'))
    .counts.open;
  assert.equal((await texts(page, '.tabs strong'))[0], String(of_it), 'counts of what is chosen');
  await select('Type', 'microsoft.insights/components');
  await narrowed(
    'subscription and type',
    'subscription=d95b0e17-6a82-4c4f-8e13-b07c3f5a29de&type=microsoft.insights/components',
  );
  await visit(page, '#/drift');
  await select('Kind', 'configuration');
  await narrowed('kind', 'kind=configuration');
  await visit(page, '#/drift');
  await fill('Actor', kActor.toUpperCase());
  await told(page, `${(await drifted(`actor=${kActor}`)).length} items`);
  const row = rows(page, 'Drift of').filter({ hasText: '/properties/RetentionInDays' });
  const text = plain(await row.innerText());
  for (const part of [/90\s*\u2192\s*30/, /mallory@contoso\.example/, /with Azure Portal/])
    assert.match(text, part);
  assert.ok(text.includes(`owner ${settings.hostile}`), text);
  // Whoever was seen is offered.
  assert.ok(
    (
      await page.locator('#known-actor option').evaluateAll((all) => all.map((o) => o.value))
    ).includes(kActor),
  );
  await fill('Actor', 'nobody@contoso.example');
  await page.locator('.empty', { hasText: 'There is no such drift.' }).waitFor();
  await visit(page, '#/drift');
  await fill('Owner', settings.hostile);
  await told(
    page,
    `${(await drifted(`owner=${encodeURIComponent(settings.hostile)}`)).length} items`,
  );
  assert.equal(await page.locator('main img').count(), 0);
  // What nobody is named for says between which observations it happened.
  const unknown = (await drifted('')).find(({ change }) => change && !('changed_by' in change));
  await visit(page, `#/drift/${unknown.id}`);
  assert.match(await page.locator('main').innerText(), /Nobody can be named for certain/);
  assert.doesNotMatch(await page.locator('main').innerText(), /mallory/);
  assert.ok(item.id !== unknown.id);
  await blameless(page, 'drift');
}

async function drift_has_pages() {
  const page = await open('#/');
  // As if there were far more than a page holds.
  await page.route('**/api/v1/drift?*', (route) => {
    const url = new URL(route.request().url());
    if (Number(url.searchParams.get('limit')) > 3) url.searchParams.set('limit', '3');
    return route.continue({ url: url.href });
  });
  await visit(page, '#/drift');
  const { counts } = await ask('drift?counts=true&limit=1');
  await told(page, `12 items on this page, ${counts.open} in all`);
  const items = () =>
    page.$$eval('tbody th a', (links) => links.map((link) => link.getAttribute('href')));
  const seen = await items();
  assert.equal(seen.length, 12);
  const step = (name) => page.locator('nav.pages a', { hasText: name });
  await step('Next').click();
  await page.locator('nav.pages', { hasText: 'Page 2' }).waitFor();
  await settled(page);
  const following = await items();
  assert.deepEqual(
    [...seen, ...following],
    (await drifted('')).slice(0, 24).map(({ id }) => `#/drift/${id}`),
  );
  await step('Previous').click();
  await page.locator('nav.pages', { hasText: 'Page 1' }).waitFor();
  assert.deepEqual(await items(), seen);
  await step('Next').click();
  await page.locator('nav.pages', { hasText: 'Page 2' }).waitFor();
  // Another filter begins at its first page.
  await page.getByRole('combobox', { name: 'Severity', exact: true }).selectOption('high');
  await page.waitForFunction(() => location.hash.includes('severity=high'));
  assert.ok(!(await page.evaluate(() => location.hash)).includes('after='));
  await blameless(page, 'pages of drift');
}

async function drift_has_a_life() {
  const { id } = await move_something();
  const page = await open('#/drift?kind=configuration');
  await page.locator(`th a[href="#/drift/${id}"]`).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.localName === 'h1');
  await page.locator('h1', { hasText: `Drift ${id}` }).waitFor();
  await page.locator('.diff ins').first().waitFor();
  const main = async () => plain(await page.locator('main').innerText());
  assert.match(await main(), /mallory@contoso\.example with Azure Portal, .* UTC by Azure's clock/);
  assert.ok((await texts(page, '.diff del')).some((line) => /"RetentionInDays": 90/.test(line)));
  assert.ok((await texts(page, '.diff ins')).some((line) => /"RetentionInDays": 30/.test(line)));
  assert.equal(
    await page.getByRole('region', { name: 'Command that accepts it' }).innerText(),
    `plumbline drift accept ${id} --reason "..."`,
  );
  assert.equal(await rows(page, 'Steps').count(), 1);
  const concerned = (await drifted(`item=${id}`))[0].checks;
  assert.ok(concerned.length > 0);
  assert.equal(await rows(page, 'Checks concerned').count(), concerned.length);
  const deep = await open(`#/drift/${id}`);
  await deep.locator('.diff ins').first().waitFor();
  assert.equal(await deep.locator('h1').innerText(), `Drift ${id}`);

  // What somebody does to it arrives by itself.
  plumbline('accept', String(id), '--reason', 'CHG-4711', '--author', 'ana');
  await wake(page);
  await page.getByRole('region', { name: 'Command that opens it again' }).waitFor();
  assert.equal(await rows(page, 'Steps').count(), 2);
  assert.match(
    plain(await rows(page, 'Steps').first().innerText()),
    /^accepted[^]*CHG-4711[^]*by ana/,
  );
  const other = (await drifted('kind=baseline')).at(-1);
  plumbline(
    'accept',
    String(other.id),
    '--snooze',
    '--expires-on',
    '2099-01-31T00:00:00Z',
    '--reason',
    settings.hostile,
    '--author',
    'bob',
  );
  await visit(page, '#/drift?show=accepted');
  await told(page, '1 item');
  assert.match(plain(await rows(page, 'Drift of').innerText()), /accepted[^]*CHG-4711[^]*by ana/);
  await visit(page, '#/drift?show=snoozed');
  await page.locator(`th a[href="#/drift/${other.id}"]`).waitFor();
  const snoozed = plain(await rows(page, 'Drift of').innerText());
  assert.ok(snoozed.includes(settings.hostile) && snoozed.includes('until 2099-01-31'), snoozed);
  const { acceptances } = await ask('acceptances');
  assert.equal(acceptances.length, 2);
  await visit(page, '#/acceptances');
  await rows(page, 'Acceptances').nth(1).waitFor();
  assert.deepEqual(await texts(page, '.tabs strong'), ['2', '0', '2']);
  assert.match(
    plain(await rows(page, 'Acceptances').last().innerText()),
    /CHG-4711[^]*accepted[^]*ana/,
  );
  assert.match(plain(await rows(page, 'Acceptances').first().innerText()), /snoozed[^]*2099-01-31/);

  // All of it, and who did it, in the resource's timeline.
  await visit(page, resourceHash(kComponent));
  const timeline = rows(page, 'Timeline');
  await timeline.first().waitFor();
  const lines = (await timeline.allInnerTexts()).map(plain);
  assert.match(lines[0], new RegExp(`^Drift ${id} accepted[^]*CHG-4711`));
  const place = (pattern) => lines.findIndex((line) => pattern.test(line));
  const version = place(/^Version[^]*RetentionInDays[^]*mallory@contoso\.example/);
  const azure = place(/^Azure told of a change[^]*properties\.RetentionInDays[^]*mallory/);
  assert.ok(version > 0 && azure > version, lines.join('\n---\n'));
  const times = await timeline
    .locator('td:last-child time[data-at]')
    .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('datetime')));
  assert.deepEqual(times, [...times].sort().reverse(), 'the latest first');
  const all = await ask(`history?limit=500&id=${encodeURIComponent(kComponent)}`);
  assert.ok(lines.length === Math.min(20, all.timeline.length));

  for (const [width, scheme] of [
    [1400, 'dark'],
    [900, 'light'],
    [420, 'light'],
  ]) {
    const window = await open('#/', { width, scheme });
    await window.evaluate(axe);
    for (const hash of [
      `#/drift/${id}`,
      '#/drift?show=all',
      '#/drift?show=snoozed',
      '#/acceptances?show=all',
      resourceHash(kComponent),
    ]) {
      await visit(window, hash);
      await sound(window, `${hash} at ${width} px, ${scheme}`);
    }
    await blameless(window, `${width} px, ${scheme}`);
  }
  plumbline('withdraw', String(acceptances[1].id));
  await visit(page, '#/acceptances?show=ended');
  await rows(page, 'Acceptances').first().waitFor();
  assert.deepEqual(await texts(page, '.tabs strong'), ['1', '1', '2']);
  for (const number of ['999999', 'none', '0']) {
    await visit(page, `#/drift/${number}`);
    await page.locator('.note.bad', { hasText: `There is no drift ${number}` }).waitFor();
  }
  await blameless(deep, 'a link to drift');
  await blameless(page, 'the life of drift');
}

/** A change in the tenant arrives on pages that nobody touches. */
async function changes_arrive_by_themselves() {
  const id =
    '/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourceGroups/rg-contoso-web' +
    '/providers/Microsoft.Storage/storageAccounts/stcontososhop';
  const [resource, overview, drift] = [
    await open(resourceHash(id)),
    await open('#/'),
    await open('#/drift?kind=configuration'),
  ];
  await overview.evaluate(() => {
    globalThis.moved = 0;
    new PerformanceObserver((entries) => {
      for (const entry of entries.getEntries()) globalThis.moved += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
  });
  assert.equal(await resource.locator('.diff').count(), 0);
  const before = (await ask('scores')).drift_open;
  await admin('PATCH', `resources?id=${encodeURIComponent(id)}`, {
    tags: { owner: settings.hostile },
    properties: { allowBlobPublicAccess: false, minimumTlsVersion: 'TLS1_0' },
  });
  // Tags are drift on the types of Azure Monitor alone.
  const workspace =
    '/subscriptions/3f2a9c54-7b1e-4d08-9a6c-51e0c7d2b8f1/resourceGroups/RG-Contoso-AKS' +
    '/providers/Microsoft.OperationalInsights/workspaces/law-contoso-aks';
  await admin('PATCH', `resources?id=${encodeURIComponent(workspace)}`, {
    tags: { owner: settings.hostile },
  });
  await resource.locator('.diff ins').first().waitFor();
  const added = (await texts(resource, '.diff ins')).join('\n');
  assert.ok(added.includes(settings.hostile), added);
  assert.equal(await resource.locator('.diff img').count(), 0);
  assert.match((await texts(resource, '.diff thead th')).join(' '), /Version \d+.*Version \d+/);
  await drift.locator('tbody tr', { hasText: settings.hostile }).first().waitFor();
  await overview.waitForFunction(
    (n) => Number(document.querySelector('.mid').textContent) > n,
    before.baseline + before.configuration,
  );
  assert.ok(
    (await overview.evaluate(() => globalThis.moved)) < 0.1,
    `layout shift ${await overview.evaluate(() => globalThis.moved)}`,
  );
  // The trend ends where the score is.
  const trend = await texts(overview, '.trend strong');
  assert.equal(trend[1], (await texts(overview, '.big'))[0]);
  // Versions can be chosen, and the choice is a link.
  const versions = (await ask(`resource?id=${encodeURIComponent(id)}`)).versions.map(
    (v) => v.version,
  );
  await resource
    .getByRole('combobox', { name: 'After', exact: true })
    .selectOption(String(versions[1]));
  await resource.waitForFunction(() =>
    document.body.textContent.includes('The two versions are the same.'),
  );
  assert.match(await resource.evaluate(() => location.hash), new RegExp(`to=${versions[1]}`));
  for (const page of [resource, overview, drift]) await blameless(page, 'live');
}

async function failures_are_told() {
  const page = await open('#/findings');
  const refuse = async (status, title, detail) => {
    await page.route('**/api/v1/**', (route) =>
      route.fulfill({
        status,
        contentType: 'application/problem+json',
        body: JSON.stringify({ title, status, detail }),
      }),
    );
    await page.reload();
    await page.locator('#banner .banner').waitFor();
    const said = await page.locator('#banner').innerText();
    await page.unroute('**/api/v1/**');
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.locator('#banner .banner').waitFor({ state: 'detached' });
    await page.locator('tbody tr').first().waitFor();
    return said;
  };
  assert.match(await refuse(401, 'Unauthorized', 'who are you'), /asks for a sign-in/);
  assert.match(await refuse(403, 'Forbidden', 'only metrics'), /refuses to show its state here/);
  assert.match(
    await refuse(503, 'Service Unavailable', 'the last committed state is not served yet'),
    /is starting/,
  );
  // Late answers: the page says that it waits.
  await page.route('**/api/v1/results**', async (route) => {
    await new Promise((done) => setTimeout(done, 1500));
    await route.continue();
  });
  await page.reload();
  await page.locator('.empty', { hasText: 'Reading' }).waitFor();
  await page.locator('tbody tr').first().waitFor();
  await page.unroute('**/api/v1/results**');
  // The daemon itself goes.
  const kept = await page.locator('tbody tr').count();
  process.kill(settings.daemon, 'SIGKILL');
  // Coming back to a window asks at once.
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.locator('#banner .banner', { hasText: 'has stopped answering' }).waitFor();
  assert.equal(await page.locator('tbody tr').count(), kept, 'what was read stays');
  await page.evaluate(() => {
    location.hash = '#/drift';
  });
  await page.locator('.note.bad', { hasText: 'Plumbline does not answer' }).waitFor();
  await page.context().close();
}

async function picture() {
  const page = await open('#/', { width: 1200 });
  await page.waitForFunction(() => document.querySelector('.trend'), null, { timeout: 90_000 });
  const known = (await ask('drift')).drift.filter((item) => item.kind === 'configuration').length;
  while (
    (await ask('drift')).drift.filter((item) => item.kind === 'configuration').length <
    Math.max(2, known)
  )
    await page.waitForTimeout(500);
  await page.reload();
  await settled(page);
  await page.screenshot({
    path: settings.screenshot,
    clip: { x: 0, y: 0, width: 1200, height: 860 },
  });
  await page.context().close();
}

const kCases = [
  every_view_is_sound,
  graphics_have_contrast,
  figures_agree_with_the_command_line,
  another_instant_can_be_looked_at,
  findings_filter_order_and_page,
  links_from_elsewhere_lead_where_they_say,
  keyboard_reaches_an_explanation,
  rows_of_the_documents_are_kept,
  what_azure_says_is_text,
  exemptions_are_listed,
  health_tells_what_is_missing,
  drift_is_chosen,
  drift_has_pages,
  drift_has_a_life,
  changes_arrive_by_themselves,
  failures_are_told,
];
let failed = 0;
for (const test of settings.screenshot ? [picture] : kCases) {
  if (process.env.PLUMBLINE_PAGE_CASE && !test.name.startsWith(process.env.PLUMBLINE_PAGE_CASE))
    continue;
  const started = performance.now();
  try {
    await test();
    console.log(`  ${test.name}: ok (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed += 1;
    console.log(`  ${test.name}: FAILED\n${error.stack}`);
    for (const context of browser.contexts()) await context.close();
  }
}
await browser.close();
process.exit(failed > 0 ? 1 : 0);
