// The overview: figures, trend, worst controls.
import { api, apiList, now } from '../lib/api.js';
import { go } from '../app.js';
import { a, aside, bold, card, def, h, h2, kNone, para, sub } from '../lib/document.js';
import {
  ago,
  bar,
  checkLink,
  completeness,
  empty,
  heading,
  limited,
  link,
  section,
  severityLabel,
  stateLabel,
  stateShares,
  tallyTable,
} from '../lib/pieces.js';
import { app } from '../lib/state.js';
import {
  byWeight,
  count,
  isNumber,
  kRows,
  kStates,
  list,
  millis,
  percent,
  plural,
  size,
} from '../lib/values.js';
import { controlCells } from './controls.js';

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

/** What the portal's own percentage would be, for those who compare. */
function azureNote({ assignments }) {
  const told = list(assignments).filter(({ azure }) => isNumber(azure?.compliance));
  if (told.length === 0) return null;
  const figures = told.map(
    ({ name, azure }) => percent(azure.compliance) + (told.length > 1 ? ` (${name})` : ''),
  );
  return `. As Azure Policy counts, by resource and unweighted: ${figures.join(', ')}`;
}

function summary({ scores, trend, at }) {
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
          ? ['of what was judged is compliant, weighted by severity', azureNote(scores)]
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
            a(
              link(['findings'], { state, at }),
              stateLabel(state),
              bold(count(counts[state] ?? 0)),
            ),
          ),
        ),
    ),
    at ? null : [h2('Trend'), trendChart(trend), instantPicker('')],
  );
}

/** Another instant to look at: everything that follows from what was committed by then. */
function instantPicker(at) {
  const changed = ({ target }) => {
    // A field that is being emptied or typed into has no value.
    if (target.value) go(link([''], { at: `${target.value}Z` }), false);
  };
  return h(
    'form.filters',
    { 'aria-label': 'Another instant', onsubmit: (event) => event.preventDefault() },
    h(
      'label',
      { key: 'at' },
      'As of (UTC)',
      h('input', { type: 'datetime-local', name: 'at', step: 1, value: at, onchange: changed }),
    ),
    at && a(link(['']), 'Back to now'),
  );
}

function pastNote({ scores }) {
  const left = scores.left_out ?? 0;
  return h(
    'p.note',
    null,
    'What was committed by then, with the controls and severities of now.',
    left > 0 && ` Left out: ${plural(left, 'verdict')} of checks that are assigned no more.`,
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

/** By control and by subscription; the links lead to what was found then. */
function breakdown({ name, controls, subscriptions }, several, at) {
  const scope = { ...(several && { assignment: name }), ...(at && { at }) };
  // The list of all of them is of now.
  const worst = list(controls)
    .filter((item) => at || item.counts?.NonCompliant > 0)
    .sort(byScore);
  return h(
    'div',
    { key: name },
    section(
      at ? 'Controls' : 'Worst controls',
      [
        scope.assignment && `${name}. `,
        !at &&
          a(link(['controls']), `All ${count(list(controls).length)} in the order of the baseline`),
      ],
      worst.length === 0
        ? empty('No control has findings.')
        : tallyTable(
            `Worst controls of ${name}`,
            ['Control'],
            at ? worst : worst.slice(0, 5),
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
}

export const overview = {
  title: ({ params }) => (params.get('at') ? `Overview as of ${params.get('at')}` : 'Overview'),
  place: ({ params }) => params.get('at') ?? '',
  async load(route, signal) {
    const at = route.params.get('at');
    if (at) return { at, scores: await api('scores', { at }, signal) };
    const [scores, checks, transitions, exemptions] = await Promise.all([
      api('scores', null, signal),
      apiList('checks', null, signal),
      apiList('transitions', { limit: kRows }, signal),
      apiList('exemptions', null, signal),
    ]);
    return { scores, checks, exemptions, trend: trendOf(scores, checks, transitions) };
  },
  draw(data, route) {
    const { scores, checks, at } = data;
    const assignments = list(scores.assignments);
    if (at)
      return [
        heading(overview.title(route)),
        instantPicker(at.replace(/Z$/, '')),
        pastNote(data),
        h('div.hero', null, summary(data)),
        assignments.map((assignment) => breakdown(assignment, assignments.length > 1, at)),
      ];
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
      assignments.map((assignment) => breakdown(assignment, assignments.length > 1, null)),
    ];
  },
};
