// Findings: filters, search, order, pages.
import { go, parseRoute } from '../app.js';
import { api, apiList } from '../lib/api.js';
import { a, h, sub } from '../lib/document.js';
import {
  ago,
  checkLink,
  empty,
  heading,
  later,
  link,
  pageNumber,
  pages,
  reasonText,
  resourceCell,
  selector,
  severityLabel,
  stateLabel,
  table,
} from '../lib/pieces.js';
import { app } from '../lib/state.js';
import {
  controlNames,
  count,
  kSeverities,
  kStates,
  list,
  plural,
  same,
  total,
} from '../lib/values.js';

const kPage = 50;
const kMaxRequests = 12; // for one page of findings that a rare text leaves short

const kFilters = {
  state: 'NonCompliant',
  severity: '',
  control: '',
  subscription: '',
  type: '',
  assignment: '',
  reference: '',
  at: '',
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
export async function readFindings(filter, route, signal) {
  const rows = [];
  let after = route.params.get('after') ?? '';
  for (let asked = 0; asked < kMaxRequests && rows.length < kPage; asked += 1) {
    const page = await api(
      'results',
      {
        ...filter,
        // The past is read by resources, in no other order.
        ...(!filter.at && { order: route.params.get('order') || 'severity' }),
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

export const rowKey = (row) =>
  [row.assignment, row.reference, row.resource_key ?? row.resource_id].join('\n');

// The rows say what they are rows of: while the next ones are on their way these are still shown.
export function findingsTable(data, withCheck) {
  const { rows, next, checks, filter, route } = data;
  const before = (pageNumber(route) - 1) * kPage;
  // The counts know how many there are, unless the filter is finer than they.
  const exact = !filter.q && !filter.type && !filter.subscription && !filter.at;
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

export const findings = {
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
        !filter.at &&
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
        ['assignment', 'reference', 'at']
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
