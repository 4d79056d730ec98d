// Routes, and staying current.
import { ApiError, api, apiList, now, skewMs } from './lib/api.js';
import { a, bold, button, byId, gap, h, para, show } from './lib/document.js';
import { ago, empty, heading, icon, problem, timer } from './lib/pieces.js';
import { app } from './lib/state.js';
import { absolute, millis, relative } from './lib/values.js';
import { acceptancesView } from './views/acceptances.js';
import { checkView } from './views/check.js';
import { controlView, controlsView } from './views/controls.js';
import { driftView } from './views/drift.js';
import { exemptionsView } from './views/exemptions.js';
import { findings } from './views/findings.js';
import { health } from './views/health.js';
import { historyView } from './views/history.js';
import { overview } from './views/overview.js';
import { resourceView } from './views/resource.js';

// The status page: hash routes over the read-only API. What the API says reaches the document as
// text nodes and attributes; nothing is ever parsed as HTML.

const kPollMs = 10_000;
const kReloadMs = 60_000; // views are read again this often even if no cycle was committed
const kStaleMs = 7_200_000; // without a commit, where the rhythm is not known

const kViews = {
  __proto__: null,
  '': overview,
  controls: controlsView,
  control: controlView,
  findings,
  check: checkView,
  resource: resourceView,
  drift: driftView,
  acceptances: acceptancesView,
  exemptions: exemptionsView,
  history: historyView,
  health,
};
const kNav = [
  ['', 'Overview'],
  ['controls', 'Controls'],
  ['findings', 'Findings'],
  ['drift', 'Drift'],
  ['exemptions', 'Exemptions'],
  ['history', 'History'],
  ['health', 'Health'],
];
// The tab to which a page without one belongs.
const kWithin = {
  control: 'controls',
  check: 'controls',
  resource: 'findings',
  acceptances: 'drift',
};
const scrolls = new Map(); // history entry -> offset
let loading = new AbortController();
let entry = 0;

export function parseRoute(hash) {
  const [, place, search] = /^#?\/?([^?]*)\??(.*)$/.exec(hash);
  let path;
  try {
    path = place.split('/').map(decodeURIComponent);
  } catch {
    path = ['unknown'];
  }
  return { hash, path, view: kViews[path[0]], params: new URLSearchParams(search) };
}

/** What the reader would call the same page: filters and tabs do not leave it. */
const placeOf = (route) => `${route.path[0]}\n${route.view?.place?.(route) ?? ''}`;

export function go(hash, replace) {
  if (hash === location.hash) return;
  if (!replace) {
    location.hash = hash;
    return;
  }
  history.replaceState(history.state, '', hash);
  navigate();
}

function navigate() {
  const before = app.route;
  const route = parseRoute(location.hash);
  const returning = history.state?.entry !== undefined;
  if (!returning) history.replaceState({ entry: Date.now() + Math.random() }, '');
  entry = history.state.entry;
  clearTimeout(timer);
  const samePlace = before !== null && placeOf(before) === placeOf(route);
  const offset = returning ? (scrolls.get(entry) ?? 0) : 0;
  Object.assign(app, { route, error: null, slow: false });
  if (!samePlace) app.data = null;
  drawView();
  if (!samePlace && before) {
    byId('main').querySelector('h1')?.focus({ preventScroll: true });
    window.scrollTo(0, offset);
  }
  read(samePlace ? 0 : offset);
}

/** Reads what the view shows. What is on the screen stays until the answer is there. */
export async function read(offset = 0) {
  const { route } = app;
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  if (!route.view) return;
  const waiting = setTimeout(() => {
    app.slow = true;
    drawView();
  }, 250);
  const readCycle = app.status?.cycle?.number ?? null;
  const first = app.data === null;
  try {
    const data = await route.view.load(route, signal);
    if (signal.aborted) return;
    Object.assign(app, { data, readCycle, error: null, readAt: Date.now() });
  } catch (error) {
    if (signal.aborted) return;
    app.error =
      error instanceof ApiError
        ? error
        : new ApiError('refused', 'The page could not read this', String(error));
  } finally {
    clearTimeout(waiting);
  }
  app.slow = false;
  drawView();
  if (first && offset > 0) window.scrollTo(0, offset);
}

export function drawView() {
  const { route, data, error } = app;
  const { view } = route;
  const main = byId('main');
  document.title = `${view ? view.title(route, data) : 'Not found'} \u00b7 Plumbline`;
  byId('nav').hidden = false;
  show(
    byId('nav'),
    kNav.map(([path, text]) =>
      h(
        'a',
        {
          key: path,
          href: '#/' + path,
          'aria-current': (kWithin[route.path[0]] ?? route.path[0]) === path ? 'page' : null,
        },
        text,
      ),
    ),
  );
  main.setAttribute('aria-busy', String(app.slow));
  let body;
  try {
    body = !view
      ? [heading('Not found'), empty('There is no such page.')]
      : data
        ? view.draw(data, route)
        : [heading(view.title(route, null)), !error && app.slow && empty('Reading\u2026')];
  } catch (fault) {
    body = [
      heading(view.title(route, null)),
      problem(new ApiError('refused', 'The page could not show this answer', String(fault))),
    ];
  }
  show(
    main,
    h(
      'div.view',
      { key: placeOf(route) },
      data && error && problem(error),
      body,
      !data && error && problem(error),
    ),
  );
}

/**
 * How long without a commit is too long: twice the longest pause among the last cycles. Where those
 * cover less than an hour they say nothing about the rhythm, and two hours it is.
 */
function rhythm(cycles) {
  const times = cycles
    .map((c) => millis(c.committed_at))
    .filter(Boolean)
    .sort((x, y) => x - y);
  if (times.length < 3 || times.at(-1) - times[0] < 3_600_000) return kStaleMs;
  return Math.max(300_000, 2 * Math.max(...times.slice(1).map((ms, i) => ms - times[i])));
}

let polling = null;

export function poll() {
  polling ??= ask().finally(() => {
    polling = null;
  });
  return polling;
}

async function ask() {
  const before = app.status?.cycle?.number;
  try {
    // The status lists every source that is missing; where thousands are, it is not for every poll.
    const [last] = await apiList('cycles', { limit: 1 });
    if (
      !app.status ||
      app.failure ||
      (last?.number ?? null) !== (before ?? null) ||
      Date.now() - app.statusAt >= kReloadMs
    ) {
      app.status = await api('status');
      app.statusAt = Date.now();
    }
    app.failure = null;
    app.answeredAt = Date.now();
  } catch (error) {
    app.failure = error;
  }
  drawFrame();
  if (app.failure || (app.staleAfterMs !== null && app.status.cycle?.number === before)) return;
  try {
    app.staleAfterMs = rhythm(await apiList('cycles', { limit: 120 }));
  } catch {
    app.staleAfterMs ??= kStaleMs;
  }
  drawFrame();
}

async function tick() {
  if (document.hidden) return;
  await poll();
  drawView();
  if (app.failure) return;
  const moved = (app.status.cycle?.number ?? null) !== app.readCycle;
  if (moved || app.error || Date.now() - app.readAt >= kReloadMs) read();
}

function bannerText({ failure, status }) {
  if (failure) {
    const since = app.answeredAt
      ? ` What is shown was read at ${absolute(app.answeredAt + skewMs)}.`
      : '';
    if (failure.status === 503)
      return [
        'warn',
        'Plumbline is starting.',
        ` ${failure.detail || 'The last committed state is not served yet'}.`,
        ` Asking again every ${kPollMs / 1000} s. `,
        button(() => tick(), 'Try now'),
      ];
    const title =
      failure.kind === 'unreachable'
        ? `Plumbline ${app.answeredAt ? 'has stopped answering' : 'does not answer'}.`
        : ({
            401: 'Plumbline asks for a sign-in.',
            403: 'Plumbline refuses to show its state here.',
          }[failure.status] ?? `Plumbline answers with an error: ${failure.message}.`);
    return [
      'bad',
      title,
      ` ${failure.detail ?? ''}${since} Asking again every ${kPollMs / 1000} s. `,
      button(() => tick(), 'Try now'),
    ];
  }
  if (status?.ready === false)
    return [
      'warn',
      'Plumbline is not ready.',
      ' It answers, but does not serve a committed state yet.',
    ];
  const committed = millis(status?.cycle?.committed_at);
  if (committed && app.staleAfterMs !== null && now() - committed > app.staleAfterMs) {
    return [
      'warn',
      'The data is stale.',
      ` No cycle has been committed since ${absolute(committed)}; scores and verdicts describe `,
      'the tenant as it was then.',
    ];
  }
  return null;
}

function drawFrame() {
  const { status, failure } = app;
  const [level, title, ...rest] = bannerText(app) ?? [];
  show(
    byId('banner'),
    level &&
      h('div.banner', { class: level }, para(icon('er'), h('span', null, bold(title), rest))),
  );
  show(byId('fresh'), [
    failure && gap('not answering'),
    status?.cycle
      ? h('span', null, `Last cycle ${status.cycle.number}, `, ago(status.cycle.committed_at))
      : status && 'No cycle yet',
  ]);
  show(byId('foot'), [
    h('span', null, `Plumbline ${status?.version ?? ''}`),
    a('api/v1/scores', 'Scores as JSON'),
    a('metrics', 'Metrics'),
    h('span', null, 'Times are UTC. Read-only.'),
  ]);
}

function refreshTimes() {
  for (const node of document.querySelectorAll('time[data-at]')) {
    const text = relative(Number(node.dataset.at));
    if (node.firstChild.nodeValue !== text) node.firstChild.nodeValue = text;
  }
  drawFrame();
}

history.scrollRestoration = 'manual';
addEventListener('scroll', () => scrolls.set(entry, window.scrollY), { passive: true });
addEventListener('hashchange', navigate);
document.addEventListener('visibilitychange', tick);
byId('skip').addEventListener('click', (event) => {
  event.preventDefault();
  byId('main').focus();
});
document.querySelector('.late').remove();
await poll();
navigate();
setInterval(tick, kPollMs);
setInterval(refreshTimes, 1000);
