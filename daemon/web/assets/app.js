// The status page: hash routes over the read-only API. What the API says reaches the document as
// text nodes and attributes; nothing is ever parsed as HTML.

const kPollMs = 10_000;
const kTimeoutMs = 8_000;
const kReloadMs = 60_000; // views are read again this often even if no cycle was committed
const kStaleMs = 7_200_000; // without a commit, where the rhythm is not known
const kPage = 50;
const kRows = 1000; // of drift and history, the most that one answer holds
const kMaxRequests = 12; // for one page of findings that a rare text leaves short
const kContext = 3; // unchanged lines around a difference
const kMaxCells = 4_000_000; // of the table that aligns two versions

// ---------------------------------------------------------------- document

const kSvg = 'http://www.w3.org/2000/svg';

/** Describes an element, `p.quiet` with its class; `null` and `false` children are left out. */
function h(name, attrs, ...children) {
  const [tag, cls] = name.split('.');
  const kids = children
    .flat(Infinity)
    .filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== '')
    .map((kid) => (typeof kid === 'object' ? kid : String(kid)));
  return {
    tag,
    attrs: cls ? { ...attrs, class: [cls, attrs?.class].filter(Boolean).join(' ') } : (attrs ?? {}),
    kids,
  };
}

/** Makes `parent` show `kids`, changing only what differs: focus, scroll and selection last. */
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
  if (kid.attrs.opened) node.open = true; // only at first: afterwards it is the reader's
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
    else if (node !== document.activeElement && node.value !== attrs.value)
      node.value = attrs.value;
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
  if (focused !== document.activeElement && focused?.isConnected)
    focused.focus({ preventScroll: true });
}

// ---------------------------------------------------------------- API

class ApiError extends Error {
  constructor(kind, title, detail = '', status = 0) {
    super(title);
    Object.assign(this, { kind, title, detail, status });
  }
}

let skewMs = 0; // the daemon's clock minus the browser's, where it matters
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
  const broken = (detail) =>
    signal?.aborted
      ? new ApiError('aborted', 'Given up')
      : new ApiError(
          'unreachable',
          'No answer',
          limit.aborted ? `Nothing came within ${kTimeoutMs / 1000} s.` : detail,
        );
  let response;
  try {
    response = await fetch('api/v1/' + path + query(params), {
      cache: 'no-cache',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
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
  if (!response.ok)
    throw new ApiError(
      'refused',
      body?.title ?? `HTTP ${response.status}`,
      body?.detail ?? '',
      response.status,
    );
  if (body === null || typeof body !== 'object')
    throw new ApiError('refused', 'The answer is not JSON');
  return body;
}

const apiList = async (name, params, signal) => list((await api(name, params, signal))[name]);

// ---------------------------------------------------------------- values

const kStates = [
  'NonCompliant',
  'NoEvidence',
  'Error',
  'Conflict',
  'Compliant',
  'Protected',
  'Exempt',
  'Unknown',
];
const kStateClass = {
  NonCompliant: 'nc',
  NoEvidence: 'ne',
  Error: 'er',
  Conflict: 'er',
  Compliant: 'ok',
};
const kSeverities = ['critical', 'high', 'medium', 'low'];
const kReasons = {
  not_collected: 'nothing has been collected that could tell',
  confirming: 'being confirmed by a direct read',
  forbidden: 'the identity may not read this',
  throttled: 'Azure asked to slow down',
  truncated: 'the answer was cut short',
  unauthorized: 'the sign-in was not accepted',
  unavailable: 'Azure could not answer',
  timeout: 'no answer came in time',
  network: 'Azure could not be reached',
  tls: 'the connection could not be secured',
  limit: 'there is more than is read',
};
const list = (value) => (Array.isArray(value) ? value : []);
const number = new Intl.NumberFormat('en');
const count = (value) => (typeof value === 'number' ? number.format(value) : kNone);
const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

// As the command line rounds and writes it: half to even, one decimal.
const tenths = new Intl.NumberFormat('en', {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  roundingMode: 'halfEven',
  useGrouping: false,
});
const percent = (ratio) => `${tenths.format(ratio * 100)}\u00a0%`;

/** Milliseconds since 1970; null for what is no time. */
const millis = (value) => Date.parse(value) || null;

function absolute(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
}

function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s === 0) return '<1 s';
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

function relative(ms) {
  const past = now() - ms;
  if (Math.abs(past) < 1000) return 'now';
  return past < 0 ? `in ${duration(-past)}` : `${duration(past)} ago`;
}

const size = new Intl.NumberFormat('en', {
  style: 'unit',
  unit: 'byte',
  unitDisplay: 'narrow',
  notation: 'compact',
});
const same = (a, b) => String(a ?? '').toLowerCase() === String(b ?? '').toLowerCase();
const total = (counts) => Object.values(counts ?? {}).reduce((sum, n) => sum + (n || 0), 0);
const controlNames = (check) =>
  list(check.controls)
    .map((c) => (typeof c === 'string' ? c : c?.name))
    .filter(Boolean);

function subscriptionName(id) {
  return list(app.status?.subscriptions).find((s) => same(s.id, id))?.name || id;
}

/** The parts of a resource id that a reader looks for. */
function parseId(id) {
  const [scope, ...providers] = String(id ?? '').split(/\/providers\//i);
  const find = (word) => scope.match(new RegExp(`/${word}/([^/]+)`, 'i'))?.[1] ?? '';
  const [subscription, group] = [find('subscriptions'), find('resourceGroups')];
  // Namespace, then type and name in turn; a list of details ends with its type.
  const names = providers
    .map((text) => text.split('/').slice(1))
    .map((own) =>
      own.filter((_, i) => i % 2 === 1 || (i === own.length - 1 && i % 2 === 0)).join('/'),
    );
  const name =
    names.join(' \u203a ') ||
    group ||
    (subscription && subscriptionName(subscription)) ||
    String(id ?? '');
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
  return h(
    'svg.icon',
    { viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    h('path', { d: kIcons[name] }),
  );
}

function stateLabel(state) {
  return h(
    'span.state',
    { class: stateClass(state) },
    icon(stateClass(state)),
    state || 'not applicable',
  );
}

const severityLabel = (severity) => h('span.severity', { class: severity }, severity ?? kNone);

function ago(value, empty = 'never') {
  const ms = value instanceof Date ? value.getTime() : millis(value);
  return ms
    ? h(
        'time',
        { datetime: new Date(ms).toISOString(), title: absolute(ms), 'data-at': String(ms) },
        relative(ms),
      )
    : quiet(empty);
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
  const rects =
    sum <= 0
      ? []
      : shares
          .filter(([, value]) => value > 0)
          .map(([name, value]) => {
            const width = (value / sum) * 100;
            const rect = h('rect', {
              class: name,
              x: `${x.toFixed(2)}%`,
              width: `${Math.max(width, 0.8).toFixed(2)}%`,
              height: '100%',
              fill: name === 'ne' ? 'url(#hatch)' : null,
            });
            x += width;
            return rect;
          });
  return h(
    'svg.bar',
    { class: cls, 'aria-hidden': 'true' },
    h('rect.track', { width: '100%', height: '100%' }),
    rects,
  );
}

function stateShares(counts) {
  const of = (cls) =>
    kStates.reduce((sum, state) => sum + ((stateClass(state) === cls && counts?.[state]) || 0), 0);
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

const checkLink = (item, text) =>
  a(
    link(['check', item.assignment ?? '', item.reference ?? '']),
    text ?? item.title ?? item.reference,
  );

function resourceCell(id, item) {
  const parts = parseId(id);
  const place = [
    item?.type,
    parts.group,
    parts.subscription && subscriptionName(parts.subscription),
  ].filter((text) => text && text !== parts.name);
  return [
    h(
      'a',
      {
        href: link(['resource'], { id, assignment: item?.assignment, reference: item?.reference }),
        title: id,
      },
      parts.name,
    ),
    sub(place.join(' \u00b7 ')),
  ];
}

function reasonText(reason) {
  if (!reason) return null;
  const known = kReasons[reason];
  return known ? [code(reason), sub(known)] : reason;
}

// heads: 'Head' or 'Head|class'; the first cell names the row. Narrow windows show rows as cards,
// which costs a table its meaning for assistive technology: hence the roles.
function table(caption, heads, rows) {
  const columns = heads.filter(Boolean).map((text) => text.split('|'));
  const cell = (content, i) => {
    const [head, cls] = columns[i];
    const kids = [content].flat(Infinity).filter((kid) => kid || kid === 0);
    const inner = kids.length > 0 ? kids : quiet(kNone);
    return i === 0
      ? h('th', { scope: 'row', role: 'rowheader', class: cls }, inner)
      : h(
          'td',
          {
            role: 'cell',
            class: kids.length > 0 ? cls : [cls, 'none'].filter(Boolean).join(' '),
            'data-label': head,
          },
          div(inner),
        );
  };
  return h(
    'table',
    { role: 'table' },
    h('caption.hide', null, caption),
    h(
      'thead',
      { role: 'rowgroup' },
      h(
        'tr',
        { role: 'row' },
        columns.map(([head, cls]) =>
          h('th', { scope: 'col', role: 'columnheader', class: cls }, head),
        ),
      ),
    ),
    h(
      'tbody',
      { role: 'rowgroup' },
      rows.map(([key, ...cells]) => h('tr', { role: 'row', key }, cells.map(cell))),
    ),
  );
}

const expanded = new Set();

/** The first `limit` of the rows, and a button that shows the rest. */
function limited(name, rows, limit, draw) {
  const all = expanded.has(name) || rows.length <= limit;
  return [
    draw(all ? rows : rows.slice(0, limit)),
    rows.length > limit &&
      more(
        h(
          'button',
          {
            type: 'button',
            'aria-expanded': String(all),
            onclick: () => {
              if (!expanded.delete(name)) expanded.add(name);
              drawView();
            },
          },
          all ? `Show the first ${limit}` : `Show all ${count(rows.length)}`,
        ),
      ),
  ];
}

function section(title, note, ...kids) {
  return h('section', null, h('div.head', null, h2(title), note && aside(note)), kids);
}

function heading(title, ...below) {
  return h('div.title', null, h('h1', { tabindex: '-1' }, title), below);
}

const empty = (text) => h('p.empty', null, text);

function problem({ kind, title, status, detail }) {
  return h(
    'div.note',
    { class: 'bad' },
    para(
      bold(
        kind === 'unreachable'
          ? 'Plumbline does not answer.'
          : `${title}${status ? ` (${status})` : ''}.`,
      ),
      ` ${detail}`,
    ),
    para(button(() => poll().then(() => read()), 'Try again')),
  );
}

// ---------------------------------------------------------------- overview

function figure(name, value, shares, note) {
  return h(
    'div.figure',
    null,
    h2(name),
    h('p.big', null, value),
    bar(shares, 'thick'),
    aside(note),
  );
}

/** Scores of some items; `first` gives the leading cells, `filter` what leads to the findings. */
function tallyTable(caption, heads, items, first, filter) {
  const linked = (item, state) => {
    const n = item.counts?.[state] ?? 0;
    return n > 0 ? a(link(['findings'], { ...filter(item), state }), count(n)) : quiet('0');
  };
  const states = ['NonCompliant', 'NoEvidence', 'Compliant', 'Error'];
  return table(
    caption,
    [...heads, 'Score|num strong', 'Coverage|num', 'Shares|wide', ...states.map((s) => s + '|num')],
    items.map((item) => [
      JSON.stringify(filter(item)),
      ...first(item),
      scoreText(item.score),
      coverageText(item.coverage),
      bar(stateShares(item.counts)),
      ...states.map((state) => linked(item, state)),
    ]),
  );
}

function sourceText(source) {
  const [, table, subscription] = /^arg:(.*)\|(.*)$/.exec(source) ?? [];
  if (table) return `Resource Graph, ${table}, ${subscriptionName(subscription)}`;
  return source === 'arm:subscriptions'
    ? 'the list of subscriptions'
    : String(source ?? '').replace(/^detail:/, '');
}

/** What is worth a reader's time first: severe, then many. */
function byWeight(x, y) {
  return (
    kSeverities.indexOf(x.severity) - kSeverities.indexOf(y.severity) ||
    (y.counts?.NonCompliant ?? 0) - (x.counts?.NonCompliant ?? 0)
  );
}

function summary({ scores, trend }) {
  const { overall = {} } = scores;
  const { score, coverage, counts = {} } = overall;
  return card(
    h(
      'div.figures',
      null,
      figure(
        'Score',
        isNumber(score) ? percent(score) : 'no score',
        [
          ['ink', score ?? 0],
          ['track', 1 - (score ?? 0)],
        ],
        isNumber(score)
          ? 'of what was judged is compliant, weighted by severity'
          : 'Nothing has been judged, so there is nothing to score.',
      ),
      figure(
        'Coverage',
        isNumber(coverage) ? percent(coverage) : 'none',
        [
          ['ink', coverage ?? 0],
          ['ne', 1 - (coverage ?? 0)],
        ],
        !isNumber(coverage)
          ? 'No check applies to anything that has been seen.'
          : [
              'of what applies rests on evidence',
              counts.NoEvidence > 0 && `; missing for ${plural(counts.NoEvidence, 'verdict')}`,
            ],
      ),
    ),
    bar(stateShares(counts), 'thick'),
    h(
      'ul.legend',
      null,
      kStates
        .filter((s, i) => i < 3 || s === 'Compliant' || counts[s] > 0)
        .map((state) =>
          h(
            'li',
            { key: state },
            a(link(['findings'], { state }), stateLabel(state), bold(count(counts[state] ?? 0))),
          ),
        ),
    ),
    h2('Trend'),
    trendChart(trend),
  );
}

// What docs/scoring.md says of a score. The trend undoes the changes of verdicts one by one, from
// the counts of today; the page never computes the score of today itself.
const kWeights = { critical: 8, high: 4, medium: 2, low: 1 };

function tallyOf(checks) {
  const tally = { good: 0, counted: 0, gaps: 0, applicable: 0, all: 0 };
  for (const check of checks) {
    for (const [state, n] of Object.entries(check.counts ?? {}))
      addTo(tally, check.severity, state, n);
  }
  return tally;
}

function addTo(tally, severity, state, n) {
  if (!state) return;
  const weight = (kWeights[severity] ?? 2) * n;
  tally.all += n;
  if (state !== 'Exempt') tally.applicable += n;
  if (state === 'NoEvidence') tally.gaps += n;
  if (state === 'Compliant') tally.good += weight;
  if (['Compliant', 'NonCompliant', 'Conflict'].includes(state)) tally.counted += weight;
}

const checkKey = ({ assignment, reference }) => `${assignment}\n${reference}`.toLowerCase();

/**
 * Score and coverage after each cycle that changed a verdict, the oldest first; null where they
 * cannot be told.
 */
function trendOf(scores, checks, transitions) {
  const tally = tallyOf(checks);
  const { score } = scores.overall ?? {};
  if (!isNumber(score) || Math.abs(tally.good / tally.counted - score) > 1e-9) return null;
  const known = new Map(checks.map((check) => [checkKey(check), check]));
  const summarised = app.status?.cycle?.number ?? 0;
  const points = [];
  let cycle = null;
  const today = tally.all;
  for (const change of transitions) {
    if (change.cycle > summarised) continue; // committed, but not in the counts yet
    if (change.cycle !== cycle) {
      // A first pass fills the inventory: until most of it is there a score says little.
      if (tally.counted <= 0 || tally.all < 0.9 * today) break;
      cycle = change.cycle;
      points.unshift({
        at: millis(change.at),
        score: tally.good / tally.counted,
        coverage: 1 - tally.gaps / tally.applicable,
      });
    }
    const check = known.get(checkKey(change));
    if (!check) continue;
    addTo(tally, check.severity, change.to, -1);
    addTo(tally, check.severity, change.from, 1);
  }
  return points;
}

function trendChart(points) {
  if (!points || points.length === 0) return aside('Appears once verdicts have changed.');
  const [first, last] = [points[0], points.at(-1)];
  const end = Math.max(now(), last.at + 1);
  const x = (ms) => (((ms - first.at) / (end - first.at)) * 100).toFixed(2);
  const y = (ratio) => (38 - ratio * 36).toFixed(2);
  const line = (name) =>
    points
      .map((point, i) => (i === 0 ? `M0 ${y(point[name])}` : `H${x(point.at)} V${y(point[name])}`))
      .join(' ') + ' H100';
  return h(
    'div.trend',
    null,
    h(
      'div.plot',
      { 'aria-hidden': 'true' },
      h(
        'ul',
        null,
        ['100 %', '50 %', '0 %'].map((text) => h('li', null, text)),
      ),
      h(
        'svg',
        { viewBox: '0 0 100 40', preserveAspectRatio: 'none' },
        [0, 0.5, 1].map((ratio) => h('path.grid', { d: `M0 ${y(ratio)} H100` })),
        h('path.covered', { d: line('coverage') }),
        h('path.scored', { d: line('score') }),
      ),
    ),
    h(
      'p.quiet',
      null,
      h('span.key', { class: 'scored' }),
      'Score ',
      bold(percent(first.score)),
      ' \u2192 ',
      bold(percent(last.score)),
      ', ',
      h('span.key', { class: 'covered' }),
      'coverage ',
      bold(percent(first.coverage)),
      ' \u2192 ',
      bold(percent(last.coverage)),
      ', since ',
      ago(new Date(first.at)),
      `, over ${plural(points.length, 'cycle')} that changed verdicts.`,
    ),
  );
}

const completeness = (cycle) => (cycle.complete === false ? gap('incomplete') : 'complete');

/** What a reader must know before trusting the figures, each with the place that tells more. */
function warnings({ exemptions }) {
  const { status } = app;
  const missing = list(status?.evidence_missing).length;
  const unreadable = list(status?.subscriptions).filter((s) => s.readable === false).length;
  const ending = exemptions.filter((e) => e.state === 'expiring' || e.state === 'expired').length;
  const items = [
    status?.sign_in_error && [
      'sign-in',
      a(link(['health']), 'Azure cannot be asked'),
      `: ${status.sign_in_error}`,
    ],
    unreadable > 0 && [
      'unreadable',
      a(link(['health']), `${plural(unreadable, 'subscription')} cannot be read`),
    ],
    missing > 0 && [
      'missing',
      a(link(['health']), `${plural(missing, 'source')} of evidence could not be read`),
      '; verdicts that depend on them are NoEvidence',
    ],
    ending > 0 && [
      'ending',
      a(link(['exemptions']), `${plural(ending, 'exemption')} expired or about to`),
    ],
  ].filter(Boolean);
  return (
    items.length > 0 &&
    h(
      'ul.note',
      { class: 'warn' },
      items.map(([key, ...rest]) => h('li', { key }, rest)),
    )
  );
}

function pulse({ scores }) {
  const { cycle, resources, subscriptions, storage_bytes: stored } = app.status ?? {};
  const { drift_open: drift = {} } = scores;
  return h(
    'div.stack',
    null,
    card(
      h2('Open drift'),
      h(
        'p.mid',
        null,
        a(link(['drift']), count((drift.baseline ?? 0) + (drift.configuration ?? 0))),
      ),
      h(
        'dl',
        null,
        def(
          'From the baseline',
          a(link(['drift'], { kind: 'baseline' }), count(drift.baseline ?? 0)),
        ),
        def(
          'In configuration',
          a(link(['drift'], { kind: 'configuration' }), count(drift.configuration ?? 0)),
        ),
      ),
    ),
    card(
      h2('Freshness'),
      !cycle
        ? para('No cycle has been committed yet. Figures appear after the first collection.')
        : h(
            'dl',
            null,
            def('Last cycle', bold(count(cycle.number)), ', ', ago(cycle.committed_at)),
            def('Kind', cycle.kind, ', ', completeness(cycle)),
            def('Resources', count(resources)),
            def('Subscriptions', count(list(subscriptions).length)),
            def('Store', isNumber(stored) ? size.format(stored) : kNone),
          ),
    ),
  );
}

const byScore = (x, y) =>
  (x.score ?? 2) - (y.score ?? 2) || (y.counts?.NonCompliant ?? 0) - (x.counts?.NonCompliant ?? 0);

const controlCells = (assignment, item) => [
  [a(link(['control', assignment, item.name]), item.name), sub(item.title)],
];

const overview = {
  title: () => 'Overview',
  async load(route, signal) {
    const [scores, checks, transitions, exemptions] = await Promise.all([
      api('scores', null, signal),
      apiList('checks', null, signal),
      apiList('transitions', { limit: kRows }, signal),
      apiList('exemptions', null, signal),
    ]);
    return { scores, checks, exemptions, trend: trendOf(scores, checks, transitions) };
  },
  draw(data) {
    const { scores, checks } = data;
    const assignments = list(scores.assignments);
    const failing = checks.filter((check) => check.counts?.NonCompliant > 0).sort(byWeight);
    return [
      heading('Overview'),
      warnings(data),
      h('div.hero', null, summary(data), pulse(data)),
      section(
        'What to mend first',
        failing.length > 0 &&
          `${plural(failing.length, 'check')} with findings, the severest first`,
        failing.length === 0
          ? empty(
              isNumber(scores.overall?.score)
                ? 'No check has found anything non-compliant.'
                : 'No check could judge anything.',
            )
          : limited('failing', failing, 8, (some) =>
              tallyTable(
                'Checks with findings',
                ['Check', 'Severity'],
                some,
                (check) => [
                  [checkLink(check), sub(check.reference)],
                  severityLabel(check.severity),
                ],
                ({ assignment, reference }) => ({ assignment, reference }),
              ),
            ),
      ),
      assignments.map(({ name, controls, subscriptions }) => {
        const scope = assignments.length > 1 ? { assignment: name } : {};
        const worst = list(controls)
          .filter((item) => item.counts?.NonCompliant > 0)
          .sort(byScore);
        return h(
          'div',
          { key: name },
          section(
            'Worst controls',
            [
              scope.assignment && `${name}. `,
              a(
                link(['controls']),
                `All ${count(list(controls).length)} in the order of the baseline`,
              ),
            ],
            worst.length === 0
              ? empty('No control has findings.')
              : tallyTable(
                  `Worst controls of ${name}`,
                  ['Control'],
                  worst.slice(0, 5),
                  (item) => controlCells(name, item),
                  (item) => ({ ...scope, control: item.name }),
                ),
          ),
          section(
            'Subscriptions',
            scope.assignment,
            list(subscriptions).length === 0
              ? empty('No subscription has a verdict yet.')
              : limited('subscriptions ' + name, [...subscriptions].sort(byScore), 12, (some) =>
                  tallyTable(
                    `Subscriptions of ${name}`,
                    ['Subscription'],
                    some,
                    (item) => [
                      [
                        a(
                          link(['findings'], { ...scope, subscription: item.id }),
                          item.name || item.id,
                        ),
                        h('span.sub', { class: 'id' }, item.id),
                      ],
                    ],
                    (item) => ({ ...scope, subscription: item.id }),
                  ),
                ),
          ),
        );
      }),
    ];
  },
};

// ---------------------------------------------------------------- controls

const kFeatureStates = {
  customer: 'customer',
  inherited: 'inherited',
  notAvailable: 'not available',
  manual: 'by hand',
  emptySection: 'empty section',
};

/** What the checks under a row come to. The row's own score is null where it is not the customer's. */
const rowCells = ({ score, checks }) => [
  scoreText(score),
  coverageText(checks.coverage),
  bar(stateShares(checks.counts)),
  count(checks.counts?.NonCompliant ?? 0),
  [count(list(checks.references).length), checks.off > 0 && sub(`${count(checks.off)} off`)],
];
const kRowHeads = ['Score|num strong', 'Coverage|num', 'Shares|wide', 'NonCompliant|num', 'Checks|num'];

/** The features of some controls as their document lists them, those of Microsoft's included. */
function featuresTable(caption, controls) {
  const rows = controls.flatMap(({ assignment, name, features }) =>
    list(features).map((row) => [
      `${assignment} ${row.id}`,
      [a(link(['control', assignment, name]), `${row.id} ${row.name}`), sub(row.summary)],
      [
        kFeatureStates[row.state] ?? row.state,
        sub('Supported: ', row.supported),
        sub('Enabled by default: ', row.enabled_by_default),
        sub('Responsibility: ', row.responsibility),
      ],
      ...rowCells(row),
    ]),
  );
  return rows.length > 0 && table(caption, ['Feature', 'State', ...kRowHeads], rows);
}

function recommendationsTable(caption, controls) {
  const rows = controls.flatMap(({ assignment, name, recommendations }) =>
    list(recommendations).map((row) => [
      `${assignment} ${row.id}`,
      [a(link(['control', assignment, name]), `${row.id} ${row.name}`), row.note && sub(row.note)],
      row.area,
      ...rowCells(row),
    ]),
  );
  return rows.length > 0 && table(caption, ['Recommendation', 'Area', ...kRowHeads], rows);
}

/** Rows that nothing can be checked of. */
function informationTable(caption, controls) {
  const rows = controls.flatMap(({ assignment, features }) =>
    list(features).flatMap((feature) =>
      list(feature.information).map((row) => [
        `${assignment} ${row.id}`,
        [row.name, sub(row.text)],
        feature.id,
        kFeatureStates[row.state] ?? row.state,
      ]),
    ),
  );
  return rows.length > 0 && table(caption, ['For information', 'Feature', 'State'], rows);
}

const kFeaturesNote =
  "What is Microsoft's responsibility is inherited, what the service does not have is not available: " +
  'such rows have no score. The checks under them have, and are counted in the controls.';

/** The rows of the documents behind an initiative; nothing where it follows none. */
function structure(name, controls) {
  const features = featuresTable(`Features of ${name}`, controls);
  const recommendations = recommendationsTable(`Recommendations of ${name}`, controls);
  const information = informationTable(`For information about ${name}`, controls);
  return [
    features && section('Features', kFeaturesNote, features),
    recommendations && section('Recommendations', null, recommendations),
    information && section('For information', 'Nothing is checked for these.', information),
  ];
}

const controlsView = {
  title: () => 'Controls',
  async load(route, signal) {
    const [scores, controls] = await Promise.all([
      api('scores', null, signal),
      apiList('controls', null, signal),
    ]);
    return { assignments: list(scores.assignments), rows: controls };
  },
  draw({ assignments, rows }) {
    return [
      heading(
        'Controls',
        aside('In the order of the baseline. A check that belongs to two controls counts in both.'),
      ),
      assignments.length === 0 && empty('No initiative is assigned.'),
      assignments.map(({ name, initiative, version, score, coverage, controls }) =>
        h(
          'div',
          { key: name },
          section(
            initiative || name,
            [
              `${version ?? ''}, assigned as ${name}: `,
              scoreText(score),
              ' at ',
              coverageText(coverage),
              ' coverage',
            ],
            list(controls).length === 0
              ? empty('The initiative groups nothing into controls.')
              : tallyTable(
                  `Controls of ${name}`,
                  ['Control'],
                  controls,
                  (item) => controlCells(name, item),
                  (item) => ({
                    ...(assignments.length > 1 ? { assignment: name } : {}),
                    control: item.name,
                  }),
                ),
          ),
          structure(
            name,
            rows.filter((row) => same(row.assignment, name)),
          ),
        ),
      ),
    ];
  },
};

const controlView = {
  title: (route) => route.path[2] || 'Control',
  place: (route) => route.path.join('/'),
  async load(route, signal) {
    const [, assignment, name] = route.path;
    const [controls, checks] = await Promise.all([
      apiList('controls', null, signal),
      apiList('checks', null, signal),
    ]);
    const control = controls.find(
      (item) => same(item.assignment, assignment) && same(item.name, name),
    );
    if (!control)
      throw new ApiError('refused', 'No such control', `${name ?? ''} in ${assignment ?? ''}`);
    return {
      control,
      assignment: control.assignment,
      checks: checks.filter(
        (check) =>
          same(check.assignment, assignment) && controlNames(check).some((own) => same(own, name)),
      ),
    };
  },
  draw({ control, assignment, checks }) {
    const { counts = {} } = control;
    return [
      heading(
        `${control.name}: ${control.title}`,
        aside(a(link(['controls']), 'Controls'), ` of ${assignment}`),
      ),
      card(
        h(
          'dl.across',
          null,
          div(def('Score', bold(scoreText(control.score)))),
          div(def('Coverage', coverageText(control.coverage))),
          div(def('Checks', count(checks.length))),
        ),
        bar(stateShares(counts), 'thick'),
        h(
          'ul.legend',
          null,
          kStates
            .filter((s) => counts[s] > 0)
            .map((state) =>
              h(
                'li',
                { key: state },
                a(
                  link(['findings'], { assignment, control: control.name, state }),
                  stateLabel(state),
                  bold(count(counts[state])),
                ),
              ),
            ),
        ),
      ),
      section(
        'Checks',
        null,
        checks.length === 0
          ? empty('No check belongs to this control.')
          : tallyTable(
              `Checks of ${control.name}`,
              ['Check', 'Severity'],
              checks,
              (check) => [[checkLink(check), sub(check.reference)], severityLabel(check.severity)],
              ({ reference }) => ({ assignment, reference }),
            ),
      ),
      structure(control.name, [control]),
    ];
  },
};

// ---------------------------------------------------------------- findings

const kFilters = {
  state: 'NonCompliant',
  severity: '',
  control: '',
  subscription: '',
  type: '',
  assignment: '',
  reference: '',
  q: '',
};

function findingFilter({ params }) {
  const filter = {};
  for (const [name, standard] of Object.entries(kFilters))
    filter[name] = params.get(name) || standard;
  if (filter.state === 'any') filter.state = '';
  return filter;
}

function checksOf(filter, checks) {
  return checks.filter(
    (check) =>
      (!filter.severity || check.severity === filter.severity) &&
      (!filter.control || controlNames(check).includes(filter.control)) &&
      (!filter.assignment || same(check.assignment, filter.assignment)) &&
      (!filter.reference || same(check.reference, filter.reference)),
  );
}

const countOf = (check, state) => (state ? (check.counts?.[state] ?? 0) : total(check.counts));

/** One page. An answer looks at a bounded number of verdicts: a rare text takes several. */
async function readFindings(filter, route, signal) {
  const rows = [];
  let after = route.params.get('after') ?? '';
  for (let asked = 0; asked < kMaxRequests && rows.length < kPage; asked += 1) {
    const page = await api(
      'results',
      {
        ...filter,
        order: route.params.get('order') || 'severity',
        limit: kPage - rows.length,
        after,
      },
      signal,
    );
    rows.push(...list(page.results));
    after = page.next ?? '';
    if (!after) break;
  }
  return { rows, next: after, filter, route };
}

const rowKey = (row) =>
  [row.assignment, row.reference, row.resource_key ?? row.resource_id].join('\n');

const pageNumber = (route) =>
  Math.max(1, Number.parseInt(route.params.get('page') ?? '1', 10) || 1);

// The cursors point forward only, so the way back is what this window came by.
const cameFrom = new Map();

function pages({ route, next: cursor }) {
  const params = Object.fromEntries(route.params);
  const page = pageNumber(route);
  const to = (after, number) =>
    link(route.path, { ...params, after, page: number > 1 ? number : '' });
  const next = cursor && to(cursor, page + 1);
  if (next) cameFrom.set(next, route.hash);
  const back = page === 2 ? to('', 1) : cameFrom.get(route.hash);
  if (page === 1 && !next) return null;
  const step = (name, href) =>
    h('li', { key: name }, href ? a(href, name) : h('span', { class: 'quiet' }, name));
  return h(
    'nav.pages',
    { 'aria-label': 'Pages' },
    h(
      'ul',
      null,
      step('First', page > 1 && to('', 1)),
      step('Previous', back),
      h('li', { key: 'at' }, `Page ${count(page)}`),
      step('Next', next),
    ),
  );
}

// The rows say what they are rows of: while the next ones are on their way these are still shown.
function findingsTable(data, withCheck) {
  const { rows, next, checks, filter, route } = data;
  const before = (pageNumber(route) - 1) * kPage;
  // The counts know how many there are, unless the filter is finer than they.
  const exact = !filter.q && !filter.type && !filter.subscription;
  const expected = exact
    ? checksOf(filter, checks).reduce((sum, check) => sum + countOf(check, filter.state), 0)
    : null;
  const range = `${count(before + 1)} to ${count(before + rows.length)}`;
  const tell =
    rows.length === 0
      ? next
        ? 'Nothing so far'
        : 'Nothing'
      : expected !== null && (next || before > 0)
        ? `${range} of ${count(expected)} verdicts`
        : next || before > 0
          ? `${range}${next ? ', more follow' : ''}`
          : plural(rows.length, 'verdict');
  return [
    h('p.tell', { role: 'status' }, tell),
    rows.length === 0
      ? empty(
          next ? 'Nothing in what was searched so far; the next page goes on.' : 'Nothing matches.',
        )
      : table(
          'Findings',
          [
            'Resource',
            withCheck && 'Check',
            withCheck && 'Severity',
            'State',
            'Reason',
            'Decided',
            'Observed',
          ],
          rows.map((row) => [
            rowKey(row),
            resourceCell(row.resource_id ?? row.resource_key, row),
            ...(withCheck
              ? [[checkLink(row), sub(row.reference)], severityLabel(row.severity)]
              : []),
            stateLabel(row.state),
            reasonText(row.reason),
            ago(row.evaluated_at),
            ago(row.observed_at),
          ]),
        ),
    pages(data),
  ];
}

function selector(label, value, options, onchange) {
  const name = label.toLowerCase();
  const all = options.some(([v]) => v === value) ? options : [...options, [value, value]];
  return h(
    'label',
    { key: name },
    label,
    h(
      'select',
      { name, value, onchange },
      all.map(([v, text]) => h('option', { key: v, value: v }, text)),
    ),
  );
}

const findings = {
  title: () => 'Findings',
  async load(route, signal) {
    const filter = findingFilter(route);
    const [checks, page] = await Promise.all([
      apiList('checks', null, signal),
      readFindings(filter, route, signal),
    ]);
    return { checks, ...page };
  },
  draw(data, route) {
    const filter = findingFilter(route);
    const set = (name, value, replace) => {
      const { after, page, ...kept } = Object.fromEntries(parseRoute(location.hash).params);
      go(link(['findings'], { ...kept, [name]: value }), replace);
    };
    const changed = ({ target }) => set(target.name, target.value, false);
    const controls = [...new Set(data.checks.flatMap(controlNames))];
    const inScope = checksOf(filter, data.checks);
    const option = (state, name) => [
      name,
      `${name} (${count(inScope.reduce((sum, check) => sum + countOf(check, state), 0))})`,
    ];
    return [
      heading('Findings'),
      h(
        'form.filters',
        {
          role: 'search',
          'aria-label': 'Filter findings',
          onsubmit: (event) => event.preventDefault(),
        },
        selector(
          'State',
          filter.state || 'any',
          [...kStates.map((s) => option(s, s)), option('', 'any')],
          changed,
        ),
        selector(
          'Severity',
          filter.severity,
          [['', 'any'], ...kSeverities.map((s) => [s, s])],
          changed,
        ),
        selector('Control', filter.control, [['', 'any'], ...controls.map((c) => [c, c])], changed),
        selector(
          'Subscription',
          filter.subscription,
          [['', 'any'], ...list(app.status?.subscriptions).map((s) => [s.id, s.name || s.id])],
          changed,
        ),
        selector(
          'Type',
          filter.type,
          [['', 'any'], ...list(app.status?.types).map(({ type }) => [type, type])],
          changed,
        ),
        selector(
          'Order',
          route.params.get('order') || 'severity',
          [
            ['severity', 'severest first'],
            ['check', 'by check'],
          ],
          changed,
        ),
        h(
          'label.grow',
          { key: 'q' },
          'Text',
          h('input', {
            type: 'search',
            name: 'q',
            value: filter.q,
            placeholder: 'resource, check, type, reason',
            autocomplete: 'off',
            oninput: ({ target }) => later(() => set('q', target.value, true)),
          }),
        ),
        ['assignment', 'reference']
          .filter((name) => filter[name])
          .map((name) =>
            h(
              'span.chip',
              { key: name },
              `${name}: ${filter[name]}`,
              h(
                'button',
                {
                  type: 'button',
                  'aria-label': `Remove the filter ${name}`,
                  onclick: () => set(name, '', false),
                },
                '\u00d7',
              ),
            ),
          ),
      ),
      findingsTable(data, true),
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

const checkFilter = (check, route) => ({
  state: route.params.get('state') ?? '',
  assignment: check.assignment,
  reference: check.reference,
});

const checkView = {
  title: (route, data) => data?.check.title || route.path[2] || 'Check',
  place: (route) => route.path.join('/'),
  async load(route, signal) {
    const [, assignment, reference] = route.path;
    const checks = await apiList('checks', null, signal);
    const check = checks.find(
      (c) => same(c.assignment, assignment) && same(c.reference, reference),
    );
    if (!check)
      throw new ApiError('refused', 'No such check', `${reference ?? ''} in ${assignment ?? ''}`);
    return { check, checks, ...(await readFindings(checkFilter(check, route), route, signal)) };
  },
  draw(data, route) {
    const { check } = data;
    const filter = checkFilter(check, route);
    const documentation = webAddress(check.documentation);
    const counts = check.counts ?? {};
    return [
      heading(
        check.title || check.reference,
        aside(ident(`${check.assignment} / ${check.reference}`)),
      ),
      h(
        'div.pair',
        null,
        card(
          para(check.description),
          check.remediation && [h2('Remediation'), para(check.remediation)],
          documentation &&
            para(a(documentation.href, 'Documentation'), quiet(` (${documentation.host})`)),
        ),
        card(
          h(
            'dl',
            null,
            def(
              'Score',
              bold(scoreText(check.score)),
              ' at ',
              coverageText(check.coverage),
              ' coverage',
            ),
            def('Severity', severityLabel(check.severity)),
            def(
              'Controls',
              controlNames(check).map((c, i) => [
                i > 0 && ', ',
                a(link(['control', check.assignment, c]), c),
              ]),
            ),
            def('Assignment', check.assignment),
          ),
          bar(stateShares(counts), 'thick'),
        ),
      ),
      section(
        'Verdicts',
        null,
        tabs(
          'State',
          route,
          'state',
          [
            ['', 'All ', bold(count(total(counts)))],
            ...kStates
              .filter((s) => counts[s] > 0)
              .map((s) => [s, stateLabel(s), bold(count(counts[s]))]),
          ],
          filter.state,
        ),
        findingsTable(data, false),
      ),
    ];
  },
};

// ---------------------------------------------------------------- resource

const kTruthClass = { undetermined: 'ne', error: 'er' };
const isBlank = (value) => value === undefined || value === null || value === '';
const valueText = (value, none = 'absent') =>
  isBlank(value)
    ? h('i', null, none)
    : code(typeof value === 'string' ? value : JSON.stringify(value));

const kClip = 160;
const clipped = (value) =>
  typeof value === 'string' && value.length > kClip
    ? [valueText(value.slice(0, kClip) + '\u2026'), sub(plural(value.length, 'character'))]
    : valueText(value);

/** One condition of a rule, and those it is made of. */
function condition(node, key, depth) {
  const truth = String(node.truth);
  const cls = kTruthClass[truth];
  const kids = list(node.children);
  const field = /^(if: )?field /.test(node.text);
  const settled = truth === 'true' || truth === 'false';
  const line = [
    h('span.truth', { class: cls }, cls && icon(cls), truth.replace('_', ' ')),
    code(node.text),
    node.decisive && h('span.decisive', null, 'decisive'),
  ];
  const below = [
    kids.length === 0 &&
      truth !== 'not_evaluated' &&
      (field || !isBlank(node.actual) || !isBlank(node.expected)) &&
      h(
        'dl.values',
        null,
        // Only a settled condition knows that there is nothing.
        def('actual', valueText(node.actual, field && settled ? 'absent' : 'not known')),
        !isBlank(node.expected) && def('expected', valueText(node.expected)),
        !isBlank(node.path) && def('read at', code(node.path)),
      ),
    node.reason &&
      h(
        'p.why',
        null,
        `Reason: ${node.reason}${kReasons[node.reason] ? `, ${kReasons[node.reason]}` : ''}`,
      ),
  ];
  return h(
    'li',
    { key, class: node.decisive ? 'is-decisive' : null },
    kids.length === 0
      ? [h('div.line', null, line), below]
      : h(
          'details',
          { opened: node.decisive || depth < 2 },
          h('summary.line', null, line),
          below,
          h(
            'ul.tree',
            null,
            kids.map((kid, i) => condition(kid, `${key}.${i}`, depth + 1)),
          ),
        ),
  );
}

const worstFirst = (x, y) => kStates.indexOf(x.state) - kStates.indexOf(y.state) || byWeight(x, y);

function explanation({ chosen, explained, unexplained }) {
  return section(
    'Explanation',
    chosen.title ?? chosen.reference,
    unexplained && problem(unexplained),
    explained &&
      card(
        h(
          'p.line',
          null,
          stateLabel(explained.state),
          explained.reason,
          kReasons[explained.reason] && quiet(kReasons[explained.reason]),
        ),
        aside(
          'Effect ',
          code(explained.effect || 'none'),
          `, decided on version ${explained.version ?? kNone}, observed `,
          ago(explained.observed_at),
          '. A rule describes what is wrong: \u201ctrue\u201d means that the condition holds, not ',
          'that all is well. The verdict rests on the conditions marked decisive.',
        ),
        explained.explanation
          ? h(
              'ul.tree',
              { class: 'root' },
              condition(explained.explanation, `${chosen.assignment}/${chosen.reference}`, 0),
            )
          : empty('The rule was not evaluated on this resource.'),
      ),
  );
}

/** Lines of two texts side by side, as `[old, new]`; a null side has nothing there. */
function alignLines(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail += 1;
  const olds = before.slice(head, before.length - tail);
  const news = after.slice(head, after.length - tail);
  const pairs = before.slice(0, head).map((line) => [line, line]);
  const width = news.length + 1;
  // Beyond the bound the whole middle counts as replaced.
  const common =
    olds.length * news.length > kMaxCells ? null : new Uint32Array((olds.length + 1) * width);
  for (let i = olds.length - 1; common && i >= 0; i -= 1) {
    for (let j = news.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        olds[i] === news[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  let [gone, come] = [[], []];
  const flush = () => {
    for (let k = 0; k < Math.max(gone.length, come.length); k += 1)
      pairs.push([gone[k] ?? null, come[k] ?? null]);
    [gone, come] = [[], []];
  };
  let [i, j] = [0, 0];
  while (i < olds.length || j < news.length) {
    if (common && i < olds.length && j < news.length && olds[i] === news[j]) {
      flush();
      pairs.push([olds[i], news[j]]);
      i += 1;
      j += 1;
    } else if (
      j >= news.length ||
      (i < olds.length && (!common || common[(i + 1) * width + j] >= common[i * width + j + 1]))
    ) {
      gone.push(olds[i]);
      i += 1;
    } else {
      come.push(news[j]);
      j += 1;
    }
  }
  flush();
  return [...pairs, ...before.slice(before.length - tail).map((line) => [line, line])];
}

function difference({ resource, from, to }) {
  const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
  const options = versions.map((v) => [
    String(v.version),
    `${v.version} (${absolute(millis(v.observed_at))})`,
  ]);
  const choose =
    (name) =>
    ({ target }) => {
      const params = Object.fromEntries(parseRoute(location.hash).params);
      go(
        link(['resource'], {
          ...params,
          from: String(from.version),
          to: String(to.version),
          [name]: target.value,
        }),
        false,
      );
    };
  const text = (version) => JSON.stringify(version.configuration, null, 2).split('\n');
  const pairs = alignLines(text(from), text(to));
  const changed = pairs.map(([x, y]) => x !== y);
  const near = pairs.map((_, i) =>
    changed.slice(Math.max(0, i - kContext), i + kContext + 1).some(Boolean),
  );
  const side = (line, other, tag) =>
    line === null
      ? h('td', { role: 'cell', class: 'void' })
      : h(
          'td',
          { role: 'cell', class: line === other ? null : tag },
          line === other ? code(line) : h(tag, null, h('code', null, line)),
        );
  const rows = [];
  for (let i = 0; i < pairs.length; i += 1) {
    if (near[i]) {
      const [x, y] = pairs[i];
      rows.push(
        h(
          'tr',
          { role: 'row', class: changed[i] ? 'differs' : null },
          side(x, y, 'del'),
          side(y, x, 'ins'),
        ),
      );
    } else if (i === 0 || near[i - 1]) {
      const until = near.indexOf(true, i);
      rows.push(
        h(
          'tr.skipped',
          { role: 'row' },
          h(
            'td',
            { role: 'cell', colspan: '2' },
            `${plural((until < 0 ? pairs.length : until) - i, 'line')} the same`,
          ),
        ),
      );
    }
  }
  const differing = changed.filter(Boolean).length;
  return section(
    'Difference',
    differing === 0
      ? 'The two versions are the same.'
      : `${plural(differing, 'line')} ${differing === 1 ? 'differs' : 'differ'}`,
    h(
      'form.filters',
      {
        class: 'versions',
        'aria-label': 'Versions to compare',
        onsubmit: (event) => event.preventDefault(),
      },
      selector('Before', String(from.version), options, choose('from')),
      selector('After', String(to.version), options, choose('to')),
    ),
    differing > 0 &&
      h(
        'table.diff',
        { role: 'table' },
        h('caption.hide', null, 'Difference'),
        h(
          'thead',
          { role: 'rowgroup' },
          h(
            'tr',
            { role: 'row' },
            [from, to].map((v) =>
              h(
                'th',
                { scope: 'col', role: 'columnheader' },
                `Version ${v.version}, first observed `,
                at(versions.find((own) => own.version === v.version)?.observed_at),
              ),
            ),
          ),
        ),
        h('tbody', { role: 'rowgroup' }, rows),
      ),
  );
}

const resourceView = {
  title: (route, data) => parseId(data?.resource.id ?? route.params.get('id')).name,
  place: (route) => route.params.get('id'),
  async load({ params }, signal) {
    const id = params.get('id');
    const resource = await api('resource', { id }, signal);
    const verdicts = [...list(resource.verdicts)].sort(worstFirst);
    const chosen =
      verdicts.find(
        (v) =>
          same(v.assignment, params.get('assignment')) &&
          same(v.reference, params.get('reference')),
      ) ?? verdicts[0];
    const data = { resource, verdicts, chosen };
    const refused = (name) => (error) => {
      if (error.kind !== 'refused') throw error;
      data[name] = error;
    };
    const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
    const version = (name, standard) => {
      const number = Number(params.get(name)) || standard?.version;
      return number === resource.version
        ? resource
        : api('resource', { id, version: number }, signal).catch(refused('incomparable'));
    };
    const explained =
      chosen &&
      api(
        'explain',
        { assignment: chosen.assignment, reference: chosen.reference, resource: resource.id },
        signal,
      ).catch(refused('unexplained'));
    const compared =
      versions.length > 1 ? [version('from', versions[1]), version('to', versions[0])] : [];
    [data.explained, data.from, data.to] = await Promise.all([explained, ...compared]);
    return data;
  },
  draw(data) {
    const { resource, verdicts, chosen } = data;
    const id = resource.id ?? resource.key;
    const { name, subscription, group } = parseId(id);
    const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
    return [
      heading(name, aside(ident(id))),
      card(
        h(
          'dl.across',
          null,
          div(def('Type', ident(resource.type))),
          subscription && div(def('Subscription', subscriptionName(subscription))),
          group && div(def('Resource group', group)),
          div(def('Observed', ago(resource.observed_at))),
          div(
            def(
              'Version',
              resource.version,
              isNumber(resource.from_cycle) && `, since ${cycleText(resource.from_cycle)}`,
            ),
          ),
          div(def('Source', ident(sourceText(resource.source)))),
        ),
      ),
      section(
        'Verdicts',
        null,
        verdicts.length === 0
          ? empty('No check applies to this resource.')
          : table(
              'Verdicts',
              ['Check', 'State', 'Severity', 'Reason', 'Cause', 'Since', 'Explanation'],
              verdicts.map((v) => [
                rowKey(v),
                [checkLink(v), sub(v.reference)],
                stateLabel(v.state),
                severityLabel(v.severity),
                reasonText(v.reason),
                v.cause,
                cycleText(v.since_cycle),
                h(
                  'a',
                  {
                    href: link(['resource'], {
                      id,
                      assignment: v.assignment,
                      reference: v.reference,
                    }),
                    'aria-current': v === chosen ? 'true' : null,
                  },
                  v === chosen ? 'shown below' : 'explain',
                  h('span.hide', null, `: ${v.title ?? v.reference}`),
                ),
              ]),
            ),
      ),
      chosen && explanation(data),
      data.incomparable && problem(data.incomparable),
      data.from && data.to && difference(data),
      section(
        'Versions',
        null,
        versions.length === 0
          ? empty('None is kept.')
          : table(
              'Versions',
              ['Version', 'From', 'To', 'Observed', 'Difference'],
              versions.map((v, i) => [
                v.version,
                v.version,
                cycleText(v.from_cycle),
                cycleText(v.to_cycle) ?? 'current',
                at(v.observed_at),
                versions[i + 1] &&
                  h(
                    'a',
                    {
                      href: link(['resource'], {
                        id,
                        assignment: chosen?.assignment,
                        reference: chosen?.reference,
                        from: versions[i + 1].version,
                        to: v.version,
                      }),
                    },
                    'to the one before',
                    h('span.hide', null, ` version ${v.version}`),
                  ),
              ]),
            ),
      ),
      section(
        'Configuration',
        'As last observed. Secrets stand as redacted:\u2026 fingerprints.',
        isBlank(resource.configuration)
          ? empty('No configuration is stored.')
          : h(
              'pre',
              { tabindex: '0', role: 'region', 'aria-label': 'Configuration' },
              JSON.stringify(resource.configuration, null, 2),
            ),
      ),
    ];
  },
};

// ---------------------------------------------------------------- drift and history

/** choices: `[value, ...content]` of the parameter `name`. */
function tabs(label, route, name, choices, chosen, kept) {
  return h(
    'nav.tabs',
    { 'aria-label': label },
    choices.map(([value, ...content]) =>
      h(
        'a',
        {
          key: value,
          href: link(route.path, { ...kept, [name]: value }),
          'aria-current': value === chosen ? 'true' : null,
        },
        content,
      ),
    ),
  );
}

const latest = (rows) => rows.length >= kRows && aside(`The latest ${count(kRows)} are shown.`);
const became = (from, to) =>
  h(
    'span.change',
    null,
    h('span', null, from),
    h('span.arrow', null, '\u2192'),
    h('span', null, to),
  );

const kKinds = ['baseline', 'configuration'];

/** What opened (upwards) and what was resolved (downwards) in equal slices of time. */
function driftChart(rows) {
  const opened = rows.map((row) => millis(row.opened_at)).filter(Boolean);
  const resolved = rows.map((row) => millis(row.resolved_at)).filter(Boolean);
  if (opened.length === 0) return null;
  const start = opened.reduce((least, ms) => Math.min(least, ms));
  const slices = 48;
  const slice = Math.max(1, (now() - start) / slices);
  const tally = (times) => {
    const out = new Array(slices).fill(0);
    for (const ms of times)
      out[Math.min(slices - 1, Math.max(0, Math.floor((ms - start) / slice)))] += 1;
    return out;
  };
  const [up, down] = [tally(opened), tally(resolved)];
  const most = [...up, ...down].reduce((x, y) => Math.max(x, y), 1);
  // Square roots, so that a first day with hundreds leaves the later ones visible.
  const tall = (n) => (n === 0 ? 0 : Math.max(1.5, Math.sqrt(n / most) * 19));
  const bars = (values, cls, y) =>
    values.map(
      (n, i) =>
        n > 0 &&
        h('rect', {
          class: cls,
          x: ((i * 100) / slices + 0.2).toFixed(2),
          width: (100 / slices - 0.4).toFixed(2),
          y: y(tall(n)).toFixed(2),
          height: tall(n).toFixed(2),
        }),
    );
  return card(
    h(
      'svg.chart',
      { viewBox: '0 0 100 40', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      h('path.grid', { d: 'M0 20 H100' }),
      bars(up, 'nc', (n) => 20 - n),
      bars(down, 'ok', () => 20),
    ),
    h(
      'p.quiet',
      null,
      h('span.key', { class: 'nc' }),
      bold(count(opened.length)),
      ' opened, ',
      h('span.key', { class: 'ok' }),
      bold(count(resolved.length)),
      ' resolved, since ',
      ago(new Date(start)),
      `; a bar is ${duration(slice)}.`,
    ),
  );
}

function byDay(rows, time) {
  const days = new Map();
  for (const row of rows) {
    const day = absolute(millis(time(row)) ?? 0).slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), row]);
  }
  return [...days];
}

const driftView = {
  title: () => 'Drift',
  async load(route, signal) {
    const open = { resolved: 'false', all: 'false' }[route.params.get('show')] ?? 'true';
    return { rows: await apiList('drift', { open, limit: kRows }, signal) };
  },
  draw({ rows }, route) {
    const chosen = route.params.get('show') ?? 'open';
    const filter = Object.fromEntries(
      ['kind', 'severity', 'subscription'].map((name) => [name, route.params.get(name) ?? '']),
    );
    const set = ({ target }) =>
      go(
        link(['drift'], { ...Object.fromEntries(route.params), [target.name]: target.value }),
        false,
      );
    const fits = (item) =>
      (chosen !== 'resolved' || item.resolved_at) &&
      (!filter.kind || item.kind === filter.kind) &&
      (!filter.severity || item.severity === filter.severity) &&
      (!filter.subscription || same(parseId(item.resource_id).subscription, filter.subscription));
    const fitting = rows.filter(fits);
    const resolved = chosen !== 'open';
    const tell = plural(fitting.length, 'item');
    return [
      heading(
        'Drift',
        aside(
          'What moved away from what was agreed: verdicts that nobody accepted, and properties ',
          'that differ from the version before.',
        ),
      ),
      tabs(
        'Drift',
        route,
        'show',
        [
          ['open', 'Open'],
          ['resolved', 'Resolved'],
          ['all', 'All'],
        ],
        chosen,
        filter,
      ),
      h(
        'form.filters',
        {
          role: 'search',
          'aria-label': 'Filter drift',
          onsubmit: (event) => event.preventDefault(),
        },
        selector('Kind', filter.kind, [['', 'any'], ...kKinds.map((k) => [k, k])], set),
        selector(
          'Severity',
          filter.severity,
          [['', 'any'], ...kSeverities.map((s) => [s, s])],
          set,
        ),
        selector(
          'Subscription',
          filter.subscription,
          [['', 'any'], ...list(app.status?.subscriptions).map((s) => [s.id, s.name || s.id])],
          set,
        ),
      ),
      h('p.tell', { role: 'status' }, tell, latest(rows) && ` among the latest ${count(kRows)}`),
      fitting.length === 0
        ? empty(rows.length > 0 || resolved ? 'There is no such drift.' : 'Nothing is adrift.')
        : [
            driftChart(fitting),
            byDay(fitting, (item) => item.opened_at).map(([day, items]) =>
              h(
                'section',
                { key: day },
                h('div.head', null, h2(day), aside(plural(items.length, 'item'))),
                limited('drift ' + day, items, 50, (some) =>
                  table(
                    `Drift of ${day}`,
                    [
                      'Resource',
                      'What moved',
                      'Change',
                      'Severity',
                      'Opened',
                      resolved && 'Resolved',
                    ],
                    some.map((item) => [
                      item.id,
                      resourceCell(item.resource_id, item),
                      [item.reference ? checkLink(item) : ident(item.path), sub(item.kind)],
                      item.path || !isBlank(item.old) || !isBlank(item.new)
                        ? became(clipped(item.old), clipped(item.new))
                        : ['became ', stateLabel('NonCompliant')],
                      severityLabel(item.severity),
                      [ago(item.opened_at), sub(cycleText(item.opened_cycle))],
                      ...(resolved ? [ago(item.resolved_at, 'still open')] : []),
                    ]),
                  ),
                ),
              ),
            ),
          ],
    ];
  },
};

// ---------------------------------------------------------------- exemptions

const kExemptionClass = {
  expired: 'er',
  expiring: 'er',
  unused: 'ne',
  compliant: 'ok',
  active: 'ot',
};
const kExemptionNote = {
  expired: 'its time is over: remove it',
  expiring: 'ends in less than 14 days',
  unused: 'covers no verdict',
  compliant: 'all it covers would be compliant without it',
  active: '',
};

const exemptionsView = {
  title: () => 'Exemptions',
  load: async (route, signal) => ({ rows: await apiList('exemptions', null, signal) }),
  draw({ rows }, route) {
    const chosen = route.params.get('state') ?? '';
    const states = Object.keys(kExemptionClass);
    const label = (state) =>
      h(
        'span.state',
        { class: kExemptionClass[state] ?? 'ot' },
        icon(kExemptionClass[state] ?? 'ot'),
        state,
      );
    const fitting = rows.filter((row) => !chosen || row.state === chosen);
    const covered = (row) =>
      link(['findings'], {
        state: 'Exempt',
        assignment: row.assignment,
        reference: list(row.references).length === 1 ? row.references[0] : '',
        q: row.name,
      });
    return [
      heading(
        'Exemptions',
        aside(
          'What is not to be judged, by whom, and until when. Covered verdicts count neither in ',
          'the score nor in the coverage.',
        ),
      ),
      rows.length === 0
        ? empty('The configuration names no exemptions (baseline.exemptions).')
        : [
            tabs(
              'State',
              route,
              'state',
              [
                ['', 'All ', bold(count(rows.length))],
                ...states
                  .map((s) => [s, rows.filter((row) => row.state === s).length])
                  .filter(([, n]) => n > 0)
                  .map(([s, n]) => [s, label(s), bold(count(n))]),
              ],
              chosen,
            ),
            fitting.length === 0
              ? empty('No exemption has this state.')
              : table(
                  'Exemptions',
                  [
                    'Exemption',
                    'State',
                    'Verdicts|num',
                    'Compliant|num',
                    'Scope',
                    'Covers',
                    'Owner',
                    'Expires',
                  ],
                  fitting.map((row) => [
                    row.name,
                    [
                      bold(row.display_name || row.name),
                      row.display_name && sub(row.name),
                      sub(row.description),
                    ],
                    [label(row.state), sub(kExemptionNote[row.state])],
                    row.verdicts > 0
                      ? a(covered(row), count(row.verdicts))
                      : count(row.verdicts ?? 0),
                    count(row.compliant ?? 0),
                    ident(row.scope),
                    [
                      row.assignment || 'every assignment',
                      sub(list(row.references).join(', ') || 'every check'),
                    ],
                    [row.owner, sub(row.category)],
                    ago(row.expires_on, 'never'),
                  ]),
                ),
          ],
    ];
  },
};

function cycleTable(rows) {
  const took = (c) =>
    millis(c.committed_at) &&
    millis(c.started_at) &&
    duration(millis(c.committed_at) - millis(c.started_at));
  const numbers = ['observed', 'changed', 'deleted', 'evaluated', 'transitions'];
  const scope = (text) => (/^[0-9a-f-]{36}$/i.test(text) ? subscriptionName(text) : text);
  return table(
    'Cycles',
    [
      'Cycle',
      'Kind',
      'Committed',
      'Took|num',
      'Result',
      ...numbers.map((n) => `${n[0].toUpperCase()}${n.slice(1)}|num`),
    ],
    rows.map((c) => [
      c.number,
      count(c.number),
      [c.kind, sub(scope(c.scope))],
      ago(c.committed_at),
      took(c),
      completeness(c),
      ...numbers.map((n) => count(c[n])),
    ]),
  );
}

const historyView = {
  title: () => 'History',
  async load(route, signal) {
    const what = route.params.get('show') === 'cycles' ? 'cycles' : 'transitions';
    return { what, rows: await apiList(what, { limit: kRows }, signal) };
  },
  draw({ what, rows }, route) {
    return [
      heading('History', aside('Changes of verdicts, and the commits that they came with.')),
      tabs(
        'History',
        route,
        'show',
        [
          ['transitions', 'Transitions'],
          ['cycles', 'Cycles'],
        ],
        what,
      ),
      rows.length === 0
        ? empty(
            what === 'cycles' ? 'No cycle has been committed yet.' : 'No verdict has changed yet.',
          )
        : what === 'cycles'
          ? limited('cycles', rows, 100, cycleTable)
          : limited('transitions', rows, 100, (some) =>
              table(
                'Transitions',
                ['Resource', 'Check', 'Change', 'Cause', 'Reason', 'When'],
                some.map((t) => [
                  `${t.cycle}\n${rowKey(t)}`,
                  resourceCell(t.resource_key, t),
                  [checkLink(t), sub(t.reference)],
                  became(stateLabel(t.from), stateLabel(t.to)),
                  t.cause,
                  reasonText(t.reason),
                  [ago(t.at), sub(cycleText(t.cycle))],
                ]),
              ),
            ),
      latest(rows),
    ];
  },
};

// ---------------------------------------------------------------- health

/** Samples of a family, as `[labels, value]`; the exposition format as the daemon writes it. */
function samples(text, family) {
  const out = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith(family) || !'{ '.includes(line[family.length])) continue;
    const labels = Object.fromEntries(
      [...line.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
    );
    out.push([labels, Number(line.slice(line.lastIndexOf(' ') + 1))]);
  }
  return out;
}

async function plain(path, signal) {
  const response = await fetch(path, {
    cache: 'no-cache',
    signal: AbortSignal.any([signal, AbortSignal.timeout(kTimeoutMs)]),
  });
  return { status: response.status, text: await response.text() };
}

function missingEvidence(status) {
  const groups = new Map();
  for (const item of list(status.evidence_missing)) {
    const key = `${item.reason}\n${item.message}`;
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  if (groups.size === 0)
    return section(
      'Missing evidence',
      null,
      empty(
        status.cycle
          ? 'Every source that was asked has answered in full.'
          : 'Nothing has been asked yet.',
      ),
    );
  const rows = [...groups].map(([key, items]) => [
    key,
    items.length === 1
      ? ident(sourceText(items[0].source))
      : h(
          'details',
          null,
          h('summary', null, plural(items.length, 'source')),
          h(
            'ul.id',
            null,
            items.slice(0, 200).map((item) => h('li', null, sourceText(item.source))),
            items.length > 200 && h('li', null, 'and more'),
          ),
        ),
    reasonText(items[0].reason || kNone),
    h(
      'span',
      { title: items[0].message },
      String(items[0].message ?? '').replace(/^https?:\/\/\S+: /, ''),
    ),
    ago(
      items
        .map((item) => item.observed_at)
        .sort()
        .at(-1),
    ),
  ]);
  return section(
    'Missing evidence',
    'What could not be read. It makes nothing compliant, non-compliant or deleted.',
    limited('missing', rows, 20, (some) =>
      table('Missing evidence', ['Source', 'Reason', 'Message', 'Last asked'], some),
    ),
  );
}

const kHealthCycles = 10;

const health = {
  title: () => 'Health',
  async load(route, signal) {
    const absent = () => null; // metrics and probes may be kept from a reader of the page
    const [cycles, metrics, healthy] = await Promise.all([
      apiList('cycles', { limit: kHealthCycles }, signal),
      plain('metrics', signal).catch(absent),
      plain('-/healthy', signal).catch(absent),
    ]);
    return { cycles, metrics: metrics?.status === 200 ? metrics.text : null, healthy };
  },
  draw({ cycles, metrics, healthy }) {
    const { status } = app;
    const subscriptions = list(status?.subscriptions);
    const quotas = metrics === null ? [] : samples(metrics, 'plumbline_azure_quota_remaining');
    const requests = metrics === null ? [] : samples(metrics, 'plumbline_azure_requests_total');
    const tokens =
      metrics === null ? [] : samples(metrics, 'plumbline_token_expiry_timestamp_seconds');
    const services = [
      ...new Set([...requests, ...quotas].map(([labels]) => labels.service)),
    ].sort();
    const sum = (items, service, fits = () => true) =>
      items
        .filter(([labels]) => labels.service === service && fits(labels))
        .reduce((all, [, n]) => all + n, 0);
    const failed = (code) => !/^[23]/.test(code);
    return [
      heading(
        'Health',
        aside('Whether what the other pages show was collected in full, and when.'),
      ),
      h(
        'div.thirds',
        null,
        card(
          h2('Daemon'),
          h(
            'dl',
            null,
            def(
              'Threads',
              !healthy ? 'not known' : healthy.status === 200 ? 'all answer' : gap(healthy.text),
            ),
            def('State', status?.ready === false ? gap('not served yet') : 'served'),
            def('Version', status?.version),
            def(
              'Store',
              isNumber(status?.storage_bytes) ? size.format(status.storage_bytes) : kNone,
            ),
            def('Resources', count(status?.resources)),
          ),
        ),
        card(
          h2('Sign-in'),
          status?.sign_in_error
            ? h('p', null, gap('Azure cannot be asked: '), status.sign_in_error)
            : para('Azure accepts the identity.'),
          tokens.length > 0 &&
            h(
              'dl',
              null,
              tokens.map(([labels, seconds]) =>
                def(labels.audience, 'token expires ', ago(new Date(seconds * 1000))),
              ),
            ),
        ),
        card(
          h2('Last cycle'),
          !status?.cycle
            ? para('None has been committed yet.')
            : h(
                'dl',
                null,
                def('Number', count(status.cycle.number)),
                def('Committed', ago(status.cycle.committed_at)),
                def('Kind', status.cycle.kind),
                def('Result', completeness(status.cycle)),
                def(
                  'Called stale',
                  isNumber(app.staleAfterMs) ? `after ${duration(app.staleAfterMs)}` : kNone,
                ),
              ),
        ),
      ),
      missingEvidence(status ?? {}),
      section(
        'Subscriptions',
        null,
        subscriptions.length === 0
          ? empty('The identity sees no subscription.')
          : table(
              'Subscriptions',
              ['Subscription', 'Id', 'Readable'],
              [...subscriptions]
                .sort((x, y) => Number(x.readable) - Number(y.readable))
                .map((s) => [
                  s.id,
                  s.name || s.id,
                  ident(s.id),
                  s.readable === false ? gap('cannot be read') : 'yes',
                ]),
            ),
      ),
      section(
        'Requests to Azure',
        'Since the daemon started.',
        services.length === 0
          ? empty('The metrics do not tell.')
          : table(
              'Requests to Azure',
              ['Service', 'Requests|num', 'Failed|num', 'Throttled|num', 'Quota left|num'],
              services.map((service) => [
                service,
                service.replaceAll('_', ' '),
                count(sum(requests, service)),
                count(sum(requests, service, (l) => failed(l.code))),
                count(sum(requests, service, (l) => l.code === '429')),
                quotas.some(([l]) => l.service === service) ? count(sum(quotas, service)) : kNone,
              ]),
            ),
      ),
      section(
        'Recent cycles',
        a(link(['history'], { show: 'cycles' }), 'All cycles'),
        cycles.length === 0 ? empty('No cycle has been committed yet.') : cycleTable(cycles),
      ),
    ];
  },
};

// ---------------------------------------------------------------- routes

const kViews = {
  __proto__: null,
  '': overview,
  controls: controlsView,
  control: controlView,
  findings,
  check: checkView,
  resource: resourceView,
  drift: driftView,
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
const kWithin = { control: 'controls', check: 'controls', resource: 'findings' };

const app = { route: null, data: null, staleAfterMs: null, readAt: 0, statusAt: 0 };
const scrolls = new Map(); // history entry -> offset
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

function drawView() {
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

// ---------------------------------------------------------------- staying current

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

function poll() {
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
