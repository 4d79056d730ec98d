// The status page: hash routes over the read-only API. What the API says reaches the document as
// text nodes and attributes; nothing is ever parsed as HTML.

const kPollMs = 10_000;
const kTimeoutMs = 8_000;
const kReloadMs = 60_000;  // views are read again this often even if no cycle was committed
const kStaleMs = 7_200_000; // without a commit, where the rhythm is not known
const kPage = 100;
const kRows = 500;          // of drift and history
const kMaxRequests = 12;   // for one page of filtered findings

// ---------------------------------------------------------------- document

const kSvg = 'http://www.w3.org/2000/svg';

/** Describes an element, `p.quiet` with its class; `null` and `false` children are left out. */
function h(name, attrs, ...children) {
  const [tag, cls] = name.split('.');
  const kids = children.flat(Infinity)
    .filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== '')
    .map((kid) => (typeof kid === 'object' ? kid : String(kid)));
  return { tag, attrs: cls ? { ...attrs, class: [cls, attrs?.class].filter(Boolean).join(' ') } : attrs ?? {}, kids };
}

/** Makes `parent` show `kids`, changing only what differs, so that focus, scroll and selection last. */
function patch(parent, kids) {
  const wanted = new Set(kids.map((kid) => kid.attrs?.key));
  const keyed = new Map();
  for (const child of [...parent.childNodes]) {
    if (child.plKey === undefined) continue;
    if (wanted.has(child.plKey)) keyed.set(child.plKey, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const kid of kids) {
    if (typeof kid === 'string') {
      if (at?.nodeType === Node.TEXT_NODE) {
        if (at.nodeValue !== kid) at.nodeValue = kid;
        at = at.nextSibling;
      } else {
        parent.insertBefore(document.createTextNode(kid), at);
      }
      continue;
    }
    const { key } = kid.attrs;
    const fits = (node) => node?.localName === kid.tag && node.plKey === key;
    const known = key === undefined ? at : keyed.get(key);
    const node = fits(known) ? known : create(kid, parent);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    update(node, kid);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function create(kid, parent) {
  const inSvg = kid.tag === 'svg' || parent.namespaceURI === kSvg;
  const node = inSvg ? document.createElementNS(kSvg, kid.tag) : document.createElement(kid.tag);
  node.plKey = kid.attrs.key;
  node.plAttrs = {};
  if (kid.attrs.opened) node.open = true;  // only at first: afterwards it is the reader's
  return node;
}

function update(node, { attrs, kids }) {
  const before = node.plAttrs ?? {};
  for (const name of Object.keys(before)) {
    if (!(name in attrs) && !name.startsWith('on')) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attrs)) {
    if (name === 'key' || name === 'opened' || name === 'value') continue;
    if (name.startsWith('on')) node[name] = value;
    else if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else if (before[name] !== value) node.setAttribute(name, value);
  }
  node.plAttrs = attrs;
  patch(node, kids);
  if ('value' in attrs) {
    if (node.localName === 'option') node.value = attrs.value;
    else if (node !== document.activeElement && node.value !== attrs.value) node.value = attrs.value;
  }
}

const a = (href, ...kids) => h('a', { href }, kids);
const div = (...kids) => h('div', null, kids);
const para = (...kids) => h('p', null, kids);
const aside = (...kids) => h('p.quiet', null, kids);
const bold = (...kids) => h('strong', null, kids);
const code = (...kids) => h('code', null, kids);
const sub = (...kids) => h('span.sub', null, kids);
const kNone = '\u2013';
const quiet = (...kids) => h('span.quiet', null, kids);
const ident = (...kids) => h('span.id', null, kids);
const gap = (...kids) => h('span.gap', null, kids);
const card = (...kids) => h('section.card', null, kids);
const more = (...kids) => h('p.more', null, kids);
const button = (onclick, ...kids) => h('button', { type: 'button', onclick }, kids);
const h2 = (text) => h('h2', null, text);
const def = (term, ...kids) => [h('dt', null, term), h('dd', null, kids)];

const byId = (id) => document.getElementById(id);

function show(parent, kids) {
  const focused = document.activeElement;
  patch(parent, h('x', null, kids).kids);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

// ---------------------------------------------------------------- API

class ApiError extends Error {
  constructor(kind, title, detail = '', status = 0) {
    super(title);
    Object.assign(this, { kind, title, detail, status });
  }
}

let skewMs = 0;  // the daemon's clock minus the browser's, where it matters
const now = () => Date.now() + skewMs;

function query(params) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== '') search.set(name, value);
  }
  const text = search.toString();
  return text && '?' + text;
}

async function api(path, params, signal) {
  const limit = AbortSignal.timeout(kTimeoutMs);
  const broken = (detail) => (signal?.aborted ? new ApiError('aborted', 'Given up')
    : new ApiError('unreachable', 'No answer', limit.aborted ? `Nothing came within ${kTimeoutMs / 1000} s.` : detail));
  let response;
  try {
    response = await fetch('api/v1/' + path + query(params), { cache: 'no-cache', signal: signal ? AbortSignal.any([signal, limit]) : limit });
  } catch {
    throw broken('The connection failed.');
  }
  const skew = Date.parse(response.headers.get('Date') ?? '') - Date.now();
  skewMs = Math.abs(skew) > 3000 ? skew : 0;
  let body = null;
  try {
    body = await response.json();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw broken('The answer broke off.');
  }
  if (!response.ok) throw new ApiError('refused', body?.title ?? `HTTP ${response.status}`, body?.detail ?? '', response.status);
  if (body === null || typeof body !== 'object') throw new ApiError('refused', 'The answer is not JSON');
  return body;
}

const apiList = async (name, params, signal) => list((await api(name, params, signal))[name]);

// ---------------------------------------------------------------- values

const kStates = ['NonCompliant', 'NoEvidence', 'Error', 'Conflict', 'Compliant', 'Protected', 'Exempt', 'Unknown'];
const kStateClass = { NonCompliant: 'nc', NoEvidence: 'ne', Error: 'er', Conflict: 'er', Compliant: 'ok' };
const kSeverities = ['critical', 'high', 'medium', 'low'];
const kReasons = {
  not_collected: 'nothing has been collected that could tell',
  confirming: 'being confirmed by a direct read',
  forbidden: 'the identity may not read this',
  throttled: 'Azure asked to slow down',
  truncated: 'the answer was cut short',
};
const list = (value) => (Array.isArray(value) ? value : []);
const number = new Intl.NumberFormat('en');
const count = (value) => (typeof value === 'number' ? number.format(value) : kNone);
const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** Rounds down: 99.96 % is not yet 100 %. */
function percent(ratio) {
  const tenths = Math.floor(ratio * 1000 + 1e-9);
  if (ratio > 0 && tenths === 0) return '<0.1%';
  return (tenths % 10 === 0 ? tenths / 10 : (tenths / 10).toFixed(1)) + '%';
}

/** Milliseconds since 1970 from ISO text or microseconds; null for neither. */
function millis(value) {
  return (isNumber(value) ? value / 1000 : Date.parse(value)) || null;
}

function absolute(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
}

function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

const relative = (ms) => `${duration(now() - ms)} ago`;

const size = new Intl.NumberFormat('en', { style: 'unit', unit: 'byte', unitDisplay: 'narrow', notation: 'compact' });
const same = (a, b) => String(a ?? '').toLowerCase() === String(b ?? '').toLowerCase();
const total = (counts) => Object.values(counts ?? {}).reduce((sum, n) => sum + (n || 0), 0);
const controlNames = (check) => list(check.controls).map((c) => (typeof c === 'string' ? c : c?.name)).filter(Boolean);

function subscriptionName(id) {
  return list(app.status?.subscriptions).find((s) => same(s.id, id))?.name || id;
}

/** The parts of a resource id that a reader looks for. */
function parseId(id) {
  const [scope, ...providers] = String(id ?? '').split(/\/providers\//i);
  const find = (word) => scope.match(new RegExp(`/${word}/([^/]+)`, 'i'))?.[1] ?? '';
  const [subscription, group] = [find('subscriptions'), find('resourceGroups')];
  // Namespace, then type and name in turn; a list of details ends with its type.
  const names = providers.map((text) => text.split('/').slice(1))
    .map((own) => own.filter((_, i) => i % 2 === 1 || i === own.length - 1 && i % 2 === 0).join('/'));
  const name = names.join(' \u203a ') || group || (subscription && subscriptionName(subscription)) || String(id ?? '');
  return { name, group, subscription };
}

// ---------------------------------------------------------------- pieces

const kIcons = {
  ok: 'M3.5 8.5l3 3 6-7',
  nc: 'M4 4l8 8M12 4l-8 8',
  ne: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 9.8M8 12v.5',
  er: 'M8 3.5v5.5M8 11.5v.8',
  ot: 'M4 8h8',
};
const stateClass = (state) => kStateClass[state] ?? 'ot';

function icon(name) {
  return h('svg.icon', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, h('path', { d: kIcons[name] }));
}

function stateLabel(state) {
  return h('span.state', { class: stateClass(state) }, icon(stateClass(state)), state || 'not applicable');
}

const severityLabel = (severity) => h('span.severity', { class: severity }, severity ?? kNone);

function ago(value, empty = 'never') {
  const ms = millis(value);
  return ms ? h('time', { datetime: new Date(ms).toISOString(), title: absolute(ms), 'data-at': String(ms) }, relative(ms)) : quiet(empty);
}

function at(value) {
  const ms = millis(value);
  return ms ? h('time', { datetime: new Date(ms).toISOString() }, absolute(ms)) : quiet(kNone);
}

function cycleText(cycle) {
  return isNumber(cycle) && cycle > 0 ? `cycle\u00a0${cycle}` : null;
}

/** A bar of shares; each share is `[class, value]`. The numbers stand beside it in text. */
function bar(shares, cls = '') {
  const sum = shares.reduce((all, [, value]) => all + value, 0);
  let x = 0;
  const rects = sum <= 0 ? [] : shares.filter(([, value]) => value > 0).map(([name, value]) => {
    const width = (value / sum) * 100;
    const rect = h('rect', { class: name, x: `${x.toFixed(2)}%`, width: `${Math.max(width, 0.8).toFixed(2)}%`,
      height: '100%', fill: name === 'ne' ? 'url(#hatch)' : null });
    x += width;
    return rect;
  });
  return h('svg.bar', { class: cls, 'aria-hidden': 'true' }, h('rect.track', { width: '100%', height: '100%' }), rects);
}

function stateShares(counts) {
  const of = (cls) => kStates.reduce((sum, state) => sum + (stateClass(state) === cls && counts?.[state] || 0), 0);
  return ['ok', 'nc', 'er', 'ne', 'ot'].map((cls) => [cls, of(cls)]);
}

const scoreText = (score) => (isNumber(score) ? percent(score) : quiet('no score'));

function coverageText(coverage) {
  if (!isNumber(coverage)) return quiet('none applicable');
  return coverage < 1 ? gap(percent(coverage)) : percent(coverage);
}

function link(path, params) {
  return '#/' + path.map(encodeURIComponent).join('/') + query(params);
}

const checkLink = (item, text) => a(link(['check', item.assignment ?? '', item.reference ?? '']), text ?? item.title ?? item.reference);

function resourceCell(id, item) {
  const parts = parseId(id);
  const place = [item?.type, parts.group, parts.subscription && subscriptionName(parts.subscription)]
    .filter((text) => text && text !== parts.name);
  return [
    h('a', { href: link(['resource'], { id, assignment: item?.assignment, reference: item?.reference }), title: id }, parts.name),
    sub(place.join(' \u00b7 ')),
  ];
}

function reasonText(reason) {
  if (!reason) return null;
  const known = kReasons[reason];
  return known ? [code(reason), sub(known)] : reason;
}

// heads: 'Head' or 'Head|class'; the first cell names the row. Narrow windows show rows as cards, which
// costs a table its meaning for assistive technology: hence the roles.
function table(caption, heads, rows) {
  const columns = heads.filter(Boolean).map((text) => text.split('|'));
  const cell = (content, i) => {
    const [head, cls] = columns[i];
    const kids = [content].flat(Infinity).filter((kid) => kid || kid === 0);
    const inner = kids.length > 0 ? kids : quiet(kNone);
    return i === 0 ? h('th', { scope: 'row', role: 'rowheader', class: cls }, inner)
      : h('td', { role: 'cell', class: cls, 'data-label': head }, div(inner));
  };
  return h('table', { role: 'table' }, h('caption.hide', null, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
      columns.map(([head, cls]) => h('th', { scope: 'col', role: 'columnheader', class: cls }, head)))),
    h('tbody', { role: 'rowgroup' }, rows.map(([key, ...cells]) => h('tr', { role: 'row', key }, cells.map(cell)))));
}

const expanded = new Set();

/** The first `limit` of the rows, and a button that shows the rest. */
function limited(name, rows, limit, draw) {
  const all = expanded.has(name) || rows.length <= limit;
  return [draw(all ? rows : rows.slice(0, limit)),
    rows.length > limit && more(h('button', { type: 'button', 'aria-expanded': String(all), onclick: () => {
      if (!expanded.delete(name)) expanded.add(name);
      drawView();
    } }, all ? `Show the first ${limit}` : `Show all ${count(rows.length)}`))];
}

function section(title, note, ...kids) {
  return h('section', null, h('div.head', null, h2(title), note && aside(note)), kids);
}

function heading(title, ...below) {
  return h('div.title', null, h('h1', { tabindex: '-1' }, title), below);
}

const empty = (text) => h('p.empty', null, text);

function problem({ kind, title, status, detail }) {
  return h('div.note', { class: 'bad' }, para(bold(kind === 'unreachable' ? 'Plumbline does not answer.' : `${title}${status ? ` (${status})` : ''}.`), ` ${detail}`),
    para(button(() => poll().then(() => read()), 'Try again')));
}

// ---------------------------------------------------------------- overview

function figure(name, value, shares, note) {
  return h('div.figure', null, h2(name), h('p.big', null, value), bar(shares, 'thick'), aside(note));
}

/** Scores of checks, controls or subscriptions; `first` are the leading cells, `filter` leads to the findings. */
function tallyTable(caption, heads, items, first, filter) {
  const linked = (item, state) => {
    const n = item.counts?.[state] ?? 0;
    return n > 0 ? a(link(['findings'], { ...filter(item), state }), count(n)) : quiet('0');
  };
  const states = ['NonCompliant', 'NoEvidence', 'Compliant', 'Error'];
  return table(caption, [...heads, 'Score|num strong', 'Coverage|num', 'Shares|wide', ...states.map((s) => s + '|num')],
    items.map((item) => [JSON.stringify(filter(item)), ...first(item), scoreText(item.score), coverageText(item.coverage),
      bar(stateShares(item.counts)), ...states.map((state) => linked(item, state))]));
}

function sourceText(source) {
  const [, table, subscription] = /^arg:(.*)\|(.*)$/.exec(source) ?? [];
  if (table) return `Resource Graph, ${table}, ${subscriptionName(subscription)}`;
  return source === 'arm:subscriptions' ? 'the list of subscriptions' : String(source ?? '').replace(/^detail:/, '');
}

function missingEvidence(status) {
  const groups = new Map();
  for (const item of list(status.evidence_missing)) {
    const key = `${item.reason}\n${item.message}`;
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  const unreadable = list(status.subscriptions).filter((s) => s.readable === false);
  if (groups.size === 0 && unreadable.length === 0) {
    return section('Missing evidence', null, empty(status.cycle ? 'Every source that was asked has answered in full.' : 'Nothing has been asked yet.'));
  }
  const rows = [...groups].map(([key, items]) => [key,
    code(items[0].reason || kNone),
    items[0].message || kReasons[items[0].reason],
    items.length === 1 ? ident(sourceText(items[0].source))
      : h('details', null, h('summary', null, plural(items.length, 'source')), h('ul.id', null,
        items.slice(0, 200).map((item) => h('li', null, sourceText(item.source))), items.length > 200 && h('li', null, 'and more'))),
    ago(items.map((item) => item.observed_at).sort().at(-1)),
  ]);
  return section('Missing evidence', 'What could not be read. It makes nothing compliant, non-compliant or deleted.',
    unreadable.length > 0 && h('p.note', { class: 'warn' }, bold(`${plural(unreadable.length, 'subscription')} cannot be read: `),
      unreadable.map((s) => s.name || s.id).join(', ')),
    rows.length > 0 && limited('missing', rows, 8, (some) => table('Missing evidence', ['Reason', 'Message', 'Source', 'Last asked'], some)));
}

/** What is worth a reader's time first: severe, then many. */
function byWeight(x, y) {
  return kSeverities.indexOf(x.severity) - kSeverities.indexOf(y.severity) || (y.counts?.NonCompliant ?? 0) - (x.counts?.NonCompliant ?? 0);
}

function summary({ scores }) {
  const { overall = {}, drift_open: drift = {} } = scores;
  const { score, coverage, counts = {} } = overall;
  const { cycle, resources, subscriptions, storage_bytes: stored } = app.status ?? {};
  const unreadable = list(subscriptions).filter((s) => s.readable === false).length;
  return h('div.hero', null,
    card(h('div.figures', null,
      figure('Score', isNumber(score) ? percent(score) : 'no score', [['ink', score ?? 0], ['track', 1 - (score ?? 0)]],
        isNumber(score) ? 'of what was judged is compliant, weighted by severity' : 'Nothing has been judged, so there is nothing to score.'),
      figure('Coverage', isNumber(coverage) ? percent(coverage) : 'none', [['ink', coverage ?? 0], ['ne', 1 - (coverage ?? 0)]],
        !isNumber(coverage) ? 'No check applies to anything that has been seen.'
          : `of what applies rests on evidence${counts.NoEvidence > 0 ? `; it is missing for ${plural(counts.NoEvidence, 'verdict')}` : ''}`)),
    bar(stateShares(counts), 'thick'),
    h('ul.legend', null, kStates.filter((s, i) => i < 3 || s === 'Compliant' || counts[s] > 0).map((state) => h('li', { key: state },
      a(link(['findings'], { state }), stateLabel(state), bold(count(counts[state] ?? 0))))))),
    card(h2('Freshness'), !cycle ? para('No cycle has been committed yet. Figures appear after the first collection.') : h('dl', null,
      def('Last cycle', bold(cycle.number), ', ', ago(cycle.committed_at)),
      def('Kind', cycle.kind, ', ', completeness(cycle)),
      def('Resources', count(resources)),
      def('Subscriptions', count(list(subscriptions).length), unreadable > 0 && gap(`, ${unreadable} not readable`)),
      def('Store', isNumber(stored) ? size.format(stored) : kNone))),
    card(h2('Open drift'),
      h('p.mid', null, a(link(['drift']), count((drift.baseline ?? 0) + (drift.configuration ?? 0)))),
      h('dl', null, def('From the baseline', count(drift.baseline ?? 0)), def('In configuration', count(drift.configuration ?? 0)))));
}

const completeness = (cycle) => (cycle.complete === false ? gap('incomplete') : 'complete');

const overview = {
  title: () => 'Overview',
  async load(route, signal) {
    const [scores, checks] = await Promise.all([api('scores', null, signal), apiList('checks', null, signal)]);
    return { scores, checks };
  },
  draw({ scores, checks }) {
    const assignments = list(scores.assignments);
    const failing = checks.filter((check) => check.counts?.NonCompliant > 0).sort(byWeight);
    return [
      heading('Overview'),
      summary({ scores }),
      missingEvidence(app.status ?? {}),
      section('What to mend first', failing.length > 0 && `${plural(failing.length, 'check')} with findings, the severest first`,
        failing.length === 0 ? empty(isNumber(scores.overall?.score) ? 'No check has found anything non-compliant.' : 'No check has judged anything yet.')
          : limited('failing', failing, 8, (some) => tallyTable('Checks with findings', ['Check', 'Severity'], some,
            (check) => [[checkLink(check), sub(check.reference)], severityLabel(check.severity)],
            ({ assignment, reference }) => ({ assignment, reference })))),
      assignments.map(({ name, initiative, version, score, coverage, controls, subscriptions }) => {
        const scope = assignments.length > 1 ? { assignment: name } : {};
        const control = (item) => ({ ...scope, control: item.name });
        const subscription = (item) => ({ ...scope, subscription: item.id });
        return h('div', { key: name },
          section('Controls', [`${initiative ?? ''} ${version ?? ''}, assigned as ${name}: `, scoreText(score), ' at ', coverageText(coverage), ' coverage'],
            list(controls).length === 0 ? empty('The initiative groups nothing into controls.')
              : tallyTable(`Controls of ${name}`, ['Control'], controls, (item) => [[a(link(['findings'], control(item)), item.name), sub(item.title)]], control)),
          section('Subscriptions', scope.assignment,
            list(subscriptions).length === 0 ? empty('No subscription has a verdict yet.')
              : limited('subscriptions ' + name, [...subscriptions].sort((x, y) => (x.score ?? 2) - (y.score ?? 2)), 12, (some) => tallyTable(`Subscriptions of ${name}`, ['Subscription'], some,
                (item) => [[a(link(['findings'], subscription(item)), item.name || item.id), h('span.sub', { class: 'id' }, item.id)]], subscription))));
      }),
    ];
  },
};

// ---------------------------------------------------------------- findings

function findingFilter({ params }) {
  const filter = { state: 'NonCompliant', severity: '', control: '', subscription: '', assignment: '', reference: '', q: '' };
  for (const name of Object.keys(filter)) filter[name] = params.get(name) || filter[name];
  if (filter.state === 'any') filter.state = '';
  return filter;
}

function checksOf(filter, checks) {
  return checks.filter((check) => (!filter.severity || check.severity === filter.severity)
    && (!filter.control || controlNames(check).includes(filter.control))
    && (!filter.assignment || same(check.assignment, filter.assignment))
    && (!filter.reference || same(check.reference, filter.reference)));
}

const countOf = (check, state) => (state ? check.counts?.[state] ?? 0 : total(check.counts));

/**
 * Severity and control belong to checks, and the API filters by check: so those filters become one
 * question for each check that has something to show. Text is compared here.
 */
async function readFindings(filter, checks, cursor, signal) {
  const { state, subscription, assignment, reference } = filter;
  const parts = filter.severity || filter.control
    ? checksOf(filter, checks).filter((check) => countOf(check, state) > 0).sort(byWeight)
    : [{ assignment, reference }];
  const needle = filter.q.trim().toLowerCase();
  const fits = (row) => [row.resource_id, row.title, row.reference, row.type, row.reason].some((text) => String(text ?? '').toLowerCase().includes(needle));
  const rows = [];
  let { part, after } = cursor ?? { part: 0, after: '' };
  let read = 0;
  for (let asked = 0; part < parts.length && rows.length < kPage && asked < kMaxRequests; asked += 1) {
    const page = await api('results', { state, subscription, assignment: parts[part].assignment, reference: parts[part].reference, limit: kPage, after }, signal);
    read += list(page.results).length;
    rows.push(...list(page.results).filter(fits));
    after = page.next ?? '';
    if (!after) part += 1;
  }
  return { rows, read, cursor: part < parts.length ? { part, after } : null };
}

const rowKey = (row) => [row.assignment, row.reference, row.resource_key ?? row.resource_id].join('\n');

async function loadMore(data, filter) {
  if (data.busy) return;
  Object.assign(data, { busy: true, problem: null });
  drawView();
  try {
    const page = await readFindings(filter, data.checks, data.cursor, loading.signal);
    data.rows = data.rows.concat(page.rows);
    data.read += page.read;
    data.cursor = page.cursor;
    data.pages += 1;
  } catch (error) {
    if (error.kind !== 'aborted') data.problem = error;
  }
  data.busy = false;
  drawView();
}

function findingsTable(data, filter, withCheck) {
  const { rows, read, cursor, checks, busy } = data;
  // The counts know how many there are, unless the filter is finer than they.
  const expected = filter.subscription ? null : checksOf(filter, checks).reduce((sum, check) => sum + countOf(check, filter.state), 0);
  const known = cursor && expected !== null && !filter.q ? ` of ${count(expected)}` : '';
  const tell = filter.q ? `${plural(rows.length, 'match', 'matches')} among ${plural(read, 'verdict')} read`
    : `${count(rows.length)}${known} ${rows.length === 1 ? 'verdict' : 'verdicts'}`;
  return [
    h('p.tell', { role: 'status' }, tell, cursor && !known && ' so far'),
    rows.length === 0 ? empty(cursor ? 'Nothing found in what was read so far.' : 'Nothing matches.')
      : table('Findings', ['Resource', withCheck && 'Check', withCheck && 'Severity', 'State', 'Reason', 'Since', 'Observed'], rows.map((row) => [rowKey(row),
        resourceCell(row.resource_id ?? row.resource_key, row),
        ...(withCheck ? [[checkLink(row), sub(row.reference)], severityLabel(row.severity)] : []),
        stateLabel(row.state), reasonText(row.reason), cycleText(row.since_cycle), ago(row.observed_at)])),
    data.problem && problem(data.problem),
    cursor && more(h('button', { type: 'button', 'aria-disabled': busy, onclick: () => loadMore(data, filter) },
      busy ? 'Loading\u2026' : filter.q ? 'Search further' : 'Load more')),
  ];
}

function selector(label, value, options, onchange) {
  const name = label.toLowerCase();
  const all = options.some(([v]) => v === value) ? options : [...options, [value, value]];
  return h('label', { key: name }, label, h('select', { name, value, onchange }, all.map(([v, text]) => h('option', { key: v, value: v }, text))));
}

const findings = {
  title: () => 'Findings',
  async load(route, signal) {
    const checks = await apiList('checks', null, signal);
    return { checks, pages: 1, ...await readFindings(findingFilter(route), checks, null, signal) };
  },
  draw(data, route) {
    const filter = findingFilter(route);
    const set = (name, value, replace) => go(link(['findings'], { ...Object.fromEntries(parseRoute(location.hash).params), [name]: value }), replace);
    const changed = ({ target }) => set(target.name, target.value, false);
    const controls = [...new Set(data.checks.flatMap(controlNames))].sort();
    const inScope = checksOf(filter, data.checks);
    const option = (state, name) => [name, `${name} (${count(inScope.reduce((sum, check) => sum + countOf(check, state), 0))})`];
    return [
      heading('Findings'),
      h('form.filters', { role: 'search', 'aria-label': 'Filter findings', onsubmit: (event) => event.preventDefault() },
        selector('State', filter.state || 'any', [...kStates.map((s) => option(s, s)), option('', 'any')], changed),
        selector('Severity', filter.severity, [['', 'any'], ...kSeverities.map((s) => [s, s])], changed),
        selector('Control', filter.control, [['', 'any'], ...controls.map((c) => [c, c])], changed),
        selector('Subscription', filter.subscription, [['', 'any'], ...list(app.status?.subscriptions).map((s) => [s.id, s.name || s.id])], changed),
        h('label.grow', { key: 'q' }, 'Text', h('input', { type: 'search', name: 'q', value: filter.q, placeholder: 'resource, check, type, reason',
          autocomplete: 'off', oninput: ({ target }) => later(() => set('q', target.value, true)) })),
        ['assignment', 'reference'].filter((name) => filter[name]).map((name) => h('span.chip', { key: name }, `${name}: ${filter[name]}`,
          h('button', { type: 'button', 'aria-label': `Remove the filter ${name}`, onclick: () => set(name, '', false) }, '\u00d7')))),
      findingsTable(data, filter, true),
    ];
  },
};

let timer = 0;
function later(action) {
  clearTimeout(timer);
  timer = setTimeout(action, 300);
}

// ---------------------------------------------------------------- check

function webAddress(text) {
  const url = URL.canParse(text) && new URL(text);
  return url && /^https?:$/.test(url.protocol) ? url : null;
}

const checkFilter = (check, route) => ({ state: route.params.get('state') ?? '', q: '', assignment: check.assignment, reference: check.reference });

const checkView = {
  title: (route, data) => data?.check.title || route.path[2] || 'Check',
  place: (route) => route.path.join('/'),
  async load(route, signal) {
    const [, assignment, reference] = route.path;
    const checks = await apiList('checks', null, signal);
    const check = checks.find((c) => same(c.assignment, assignment) && same(c.reference, reference));
    if (!check) throw new ApiError('refused', 'No such check', `${reference ?? ''} in ${assignment ?? ''}`);
    return { check, checks, pages: 1, ...await readFindings(checkFilter(check, route), checks, null, signal) };
  },
  draw(data, route) {
    const { check } = data;
    const filter = checkFilter(check, route);
    const documentation = webAddress(check.documentation);
    const counts = check.counts ?? {};
    return [
      heading(check.title || check.reference, aside(ident(`${check.assignment} / ${check.reference}`))),
      h('div.pair', null,
        card(para(check.description), check.remediation && [h2('Remediation'), para(check.remediation)],
          documentation && para(a(documentation.href, 'Documentation'), quiet(` (${documentation.host})`))),
        card(h('dl', null,
          def('Score', bold(scoreText(check.score)), ' at ', coverageText(check.coverage), ' coverage'),
          def('Severity', severityLabel(check.severity)),
          def('Controls', controlNames(check).map((c, i) => [i > 0 && ', ', a(link(['findings'], { control: c }), c)])),
          def('Assignment', check.assignment)),
        bar(stateShares(counts), 'thick'))),
      section('Verdicts', null,
        tabs('State', route, 'state', [['', 'All ', bold(count(total(counts)))], ...kStates.filter((s) => counts[s] > 0).map((s) => [s, stateLabel(s), bold(count(counts[s]))])], filter.state),
        findingsTable(data, filter, false)),
    ];
  },
};

// ---------------------------------------------------------------- resource

const kTruthClass = { undetermined: 'ne', error: 'er' };
const isBlank = (value) => value === undefined || value === null || value === '';
const valueText = (value, none = 'absent') => (isBlank(value) ? h('i', null, none) : code(typeof value === 'string' ? value : JSON.stringify(value)));

/** One condition of a rule, and those it is made of. */
function condition(node, key, depth) {
  const truth = String(node.truth);
  const cls = kTruthClass[truth];
  const kids = list(node.children);
  const field = /^(if: )?field /.test(node.text);
  const settled = truth === 'true' || truth === 'false';
  const line = [h('span.truth', { class: cls }, cls && icon(cls), truth.replace('_', ' ')), code(node.text), node.decisive && h('span.decisive', null, 'decisive')];
  const below = [
    kids.length === 0 && truth !== 'not_evaluated' && (field || !isBlank(node.actual) || !isBlank(node.expected)) && h('dl.values', null,
      // Only a settled condition knows that there is nothing.
      def('actual', valueText(node.actual, field && settled ? 'absent' : 'not known')),
      !isBlank(node.expected) && def('expected', valueText(node.expected)),
      !isBlank(node.path) && def('read at', code(node.path))),
    node.reason && h('p.why', null, `Reason: ${node.reason}${kReasons[node.reason] ? `, ${kReasons[node.reason]}` : ''}`),
  ];
  return h('li', { key, class: node.decisive ? 'is-decisive' : null }, kids.length === 0 ? [h('div.line', null, line), below]
    : h('details', { opened: node.decisive || depth < 2 }, h('summary.line', null, line), below,
      h('ul.tree', null, kids.map((kid, i) => condition(kid, `${key}.${i}`, depth + 1)))));
}

const worstFirst = (x, y) => kStates.indexOf(x.state) - kStates.indexOf(y.state) || byWeight(x, y);

function explanation({ chosen, explained, unexplained }) {
  return section('Explanation', chosen.title ?? chosen.reference,
    unexplained && problem(unexplained),
    explained && card(
      h('p.line', null, stateLabel(explained.state), explained.reason, kReasons[explained.reason] && quiet(kReasons[explained.reason])),
      aside('Effect ', code(explained.effect || 'none'), `, decided on version ${explained.version ?? kNone}, observed `, ago(explained.observed_at),
        '. A rule describes what is wrong: \u201ctrue\u201d means that the condition holds, not that all is well. The verdict rests on the conditions marked decisive.'),
      explained.explanation ? h('ul.tree', { class: 'root' }, condition(explained.explanation, `${chosen.assignment}/${chosen.reference}`, 0))
        : empty('The rule was not evaluated on this resource.')));
}

const resourceView = {
  title: (route, data) => parseId(data?.resource.id ?? route.params.get('id')).name,
  place: (route) => route.params.get('id'),
  async load({ params }, signal) {
    const resource = await api('resource', { id: params.get('id') }, signal);
    const verdicts = [...list(resource.verdicts)].sort(worstFirst);
    const chosen = verdicts.find((v) => same(v.assignment, params.get('assignment')) && same(v.reference, params.get('reference'))) ?? verdicts[0];
    const data = { resource, verdicts, chosen };
    data.explained = chosen && await api('explain', { assignment: chosen.assignment, reference: chosen.reference, resource: resource.id }, signal).catch((error) => {
      if (error.kind !== 'refused') throw error;
      data.unexplained = error;
    });
    return data;
  },
  draw(data) {
    const { resource, verdicts, chosen } = data;
    const id = resource.id ?? resource.key;
    const { name, subscription, group } = parseId(id);
    const versions = list(resource.versions);
    return [
      heading(name, aside(ident(id))),
      card(h('dl.across', null,
        div(def('Type', ident(resource.type))),
        subscription && div(def('Subscription', subscriptionName(subscription))),
        group && div(def('Resource group', group)),
        div(def('Observed', ago(resource.observed_at))),
        div(def('Version', resource.version, isNumber(resource.from_cycle) && `, since ${cycleText(resource.from_cycle)}`)),
        div(def('Source', ident(sourceText(resource.source)))))),
      section('Verdicts', null, verdicts.length === 0 ? empty('No check applies to this resource.')
        : table('Verdicts', ['Check', 'State', 'Severity', 'Reason', 'Cause', 'Since', 'Explanation'], verdicts.map((v) => [rowKey(v),
          [checkLink(v), sub(v.reference)], stateLabel(v.state), severityLabel(v.severity), reasonText(v.reason), v.cause, cycleText(v.since_cycle),
          h('a', { href: link(['resource'], { id, assignment: v.assignment, reference: v.reference }), 'aria-current': v === chosen,
            'aria-label': `Explain ${v.title ?? v.reference}` }, v === chosen ? 'shown below' : 'explain')]))),
      chosen && explanation(data),
      section('Configuration', 'As last observed. Secrets stand as redacted:\u2026 fingerprints.',
        isBlank(resource.configuration) ? empty('No configuration is stored.')
          : h('pre', { tabindex: '0', role: 'region', 'aria-label': 'Configuration' }, JSON.stringify(resource.configuration, null, 2))),
      section('Versions', null, versions.length === 0 ? empty('None is kept.')
        : table('Versions', ['Version', 'From', 'To', 'Observed'], [...versions].sort((x, y) => y.from_cycle - x.from_cycle)
          .map((v) => [v.version, v.version, cycleText(v.from_cycle), cycleText(v.to_cycle) ?? 'current', at(v.observed_at)]))),
    ];
  },
};

// ---------------------------------------------------------------- drift and history

/** choices: `[value, ...content]` of the parameter `name`. */
function tabs(label, route, name, choices, chosen) {
  return h('nav.tabs', { 'aria-label': label }, choices.map(([value, ...content]) => h('a', {
    key: value, href: link(route.path, { [name]: value }), 'aria-current': value === chosen }, content)));
}

const latest = (rows) => rows.length >= kRows && aside(`The latest ${kRows} are shown.`);
const became = (from, to) => h('span.change', null, h('span', null, from), h('span.arrow', null, '\u2192'), h('span', null, to));

const driftView = {
  title: () => 'Drift',
  async load(route, signal) {
    const open = { resolved: 'false', all: '' }[route.params.get('show')] ?? 'true';
    return { rows: await apiList('drift', { open, limit: kRows }, signal) };
  },
  draw({ rows }, route) {
    const chosen = route.params.get('show') ?? 'open';
    const resolved = chosen !== 'open';
    return [
      heading('Drift', aside('What moved away from what was agreed: verdicts that nobody accepted, and properties that differ from the version before.')),
      tabs('Drift', route, 'show', [['open', 'Open'], ['resolved', 'Resolved'], ['all', 'All']], chosen),
      rows.length === 0 ? empty(resolved ? 'There is no such drift.' : 'Nothing is adrift.')
        : table('Drift', ['Resource', 'What moved', 'Change', 'Severity', 'Opened', resolved && 'Resolved'], rows.map((item) => [item.id,
          resourceCell(item.resource_id, item),
          [item.reference ? checkLink(item) : ident(item.path), sub(item.kind)],
          item.path || !isBlank(item.old) || !isBlank(item.new) ? became(valueText(item.old), valueText(item.new)) : ['became ', stateLabel('NonCompliant')],
          severityLabel(item.severity), [ago(item.opened_at), sub(cycleText(item.opened_cycle))], ...(resolved ? [ago(item.resolved_at, 'still open')] : [])])),
      latest(rows),
    ];
  },
};

const historyView = {
  title: () => 'History',
  async load(route, signal) {
    const what = route.params.get('show') === 'cycles' ? 'cycles' : 'transitions';
    return { what, rows: await apiList(what, { limit: kRows }, signal) };
  },
  draw({ what, rows }, route) {
    const took = (c) => millis(c.committed_at) && millis(c.started_at) && duration(millis(c.committed_at) - millis(c.started_at));
    const numbers = ['observed', 'changed', 'deleted', 'evaluated', 'transitions'];
    return [
      heading('History'),
      tabs('History', route, 'show', [['transitions', 'Transitions'], ['cycles', 'Cycles']], what),
      rows.length === 0 ? empty(what === 'cycles' ? 'No cycle has been committed yet.' : 'No verdict has changed yet.')
        : what === 'cycles' ? table('Cycles', ['Cycle', 'Kind', 'Committed', 'Took|num', 'Result', ...numbers.map((n) => `${n[0].toUpperCase()}${n.slice(1)}|num`)],
          rows.map((c) => [c.number, c.number, [c.kind, sub(c.scope)], at(c.committed_at), took(c), completeness(c), ...numbers.map((n) => count(c[n]))]))
          : table('Transitions', ['Resource', 'Check', 'Change', 'Cause', 'Reason', 'When'], rows.map((t) => [`${t.cycle}\n${rowKey(t)}`,
            resourceCell(t.resource_key, t), [checkLink(t), sub(t.reference)], became(stateLabel(t.from), stateLabel(t.to)), t.cause, reasonText(t.reason),
            [at(t.at), sub(cycleText(t.cycle))]])),
      latest(rows),
    ];
  },
};

// ---------------------------------------------------------------- routes

const kViews = { __proto__: null, '': overview, findings, check: checkView, resource: resourceView, drift: driftView, history: historyView };
const kNav = [['', 'Overview'], ['findings', 'Findings'], ['drift', 'Drift'], ['history', 'History']];

const app = { route: null, data: null, staleAfterMs: null, readAt: 0 };
const scrolls = new Map();  // history entry -> offset
let loading = new AbortController();
let entry = 0;

function parseRoute(hash) {
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

function go(hash, replace) {
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
  const offset = returning ? scrolls.get(entry) ?? 0 : 0;
  Object.assign(app, { route, error: null, newer: false, slow: false });
  if (!samePlace) app.data = null;
  drawView();
  if (!samePlace && before) {
    byId('main').querySelector('h1')?.focus({ preventScroll: true });
    window.scrollTo(0, offset);
  }
  read(samePlace ? 0 : offset);
}

/** Reads what the view shows. What is on the screen stays until the answer is there. */
async function read(offset = 0) {
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
    Object.assign(app, { data, readCycle, error: null, readAt: Date.now(), newer: false });
  } catch (error) {
    if (signal.aborted) return;
    app.error = error instanceof ApiError ? error : new ApiError('refused', 'The page could not read this', String(error));
  } finally {
    clearTimeout(waiting);
  }
  app.slow = false;
  drawView();
  if (first && offset > 0) window.scrollTo(0, offset);
}

function drawView() {
  const { route, data, error } = app;
  const { view } = route;
  const main = byId('main');
  document.title = `${view ? view.title(route, data) : 'Not found'} \u00b7 Plumbline`;
  byId('nav').hidden = false;
  show(byId('nav'), kNav.map(([path, text]) => h('a', { key: path, href: '#/' + path, 'aria-current': route.path[0] === path }, text)));
  main.setAttribute('aria-busy', String(app.slow));
  let body;
  try {
    body = !view ? [heading('Not found'), empty('There is no such page.')]
      : data ? view.draw(data, route) : [heading(view.title(route, null)), !error && app.slow && empty('Reading\u2026')];
  } catch (fault) {
    body = [heading(view.title(route, null)), problem(new ApiError('refused', 'The page could not show this answer', String(fault)))];
  }
  show(main, h('div.view', { key: placeOf(route) },
    data && error && problem(error),
    app.newer && h('p.note', { role: 'status' }, 'A newer cycle has been committed; the rows below are from an earlier one. ', button(() => read(), 'Read again')),
    body, !data && error && problem(error)));
}

// ---------------------------------------------------------------- staying current

/**
 * How long without a commit is too long: twice the longest pause among the last cycles. Where those
 * cover less than an hour they say nothing about the rhythm, and two hours it is.
 */
function rhythm(cycles) {
  const times = cycles.map((c) => millis(c.committed_at)).filter(Boolean).sort((x, y) => x - y);
  if (times.length < 3 || times.at(-1) - times[0] < 3_600_000) return kStaleMs;
  return Math.max(300_000, 2 * Math.max(...times.slice(1).map((ms, i) => ms - times[i])));
}

let polling = null;

function poll() {
  polling ??= ask().finally(() => {
    polling = null;
  });
  return polling;
}

async function ask() {
  const before = app.status?.cycle?.number;
  try {
    app.status = await api('status');
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
  if (!moved && !app.error && Date.now() - app.readAt < kReloadMs) return;
  if (app.data?.pages > 1) {
    app.newer = moved;  // replacing what was loaded page by page would lose the reader's place
    drawView();
  } else {
    read();
  }
}

function bannerText({ failure, status }) {
  if (failure) {
    const since = app.answeredAt ? ` What is shown was read at ${absolute(app.answeredAt + skewMs)}.` : '';
    const title = failure.kind === 'unreachable' ? `Plumbline ${app.answeredAt ? 'has stopped answering' : 'does not answer'}.`
      : { 401: 'Plumbline asks for a sign-in.', 403: 'Plumbline refuses to show its state here.' }[failure.status] ?? `Plumbline answers with an error: ${failure.message}.`;
    return ['bad', title, ` ${failure.detail ?? ''}${since} Asking again every ${kPollMs / 1000} s. `, button(() => tick(), 'Try now')];
  }
  if (status?.ready === false) return ['warn', 'Plumbline is not ready.', ' It answers, but does not serve a committed state yet.'];
  const committed = millis(status?.cycle?.committed_at);
  if (committed && app.staleAfterMs !== null && now() - committed > app.staleAfterMs) {
    return ['warn', 'The data is stale.', ` No cycle has been committed since ${absolute(committed)}; scores and verdicts describe the tenant as it was then.`];
  }
  return null;
}

function drawFrame() {
  const { status, failure } = app;
  const [level, title, ...rest] = bannerText(app) ?? [];
  show(byId('banner'), level && h('div.banner', { class: level }, para(icon('er'), h('span', null, bold(title), rest))));
  show(byId('fresh'), [
    failure && gap('not answering'),
    status?.cycle ? h('span', null, `Last cycle ${status.cycle.number}, `, ago(status.cycle.committed_at)) : status && 'No cycle yet',
  ]);
  show(byId('foot'), [h('span', null, `Plumbline ${status?.version ?? ''}`), a('api/v1/scores', 'Scores as JSON'), a('metrics', 'Metrics'), h('span', null, 'Times are UTC. Read-only.')]);
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
