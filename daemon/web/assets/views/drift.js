// Drift: what moved, by state.
import { go } from '../app.js';
import { api, apiList, now } from '../lib/api.js';
import { aside, bold, card, h, h2, sub } from '../lib/document.js';
import {
  covered,
  driftLink,
  driftState,
  flappingMark,
  movedValue,
  subject,
  who,
} from '../lib/moved.js';
import {
  ago,
  byDay,
  cycleText,
  empty,
  heading,
  limited,
  link,
  pageNumber,
  pages,
  resourceCell,
  selector,
  severityLabel,
  suggesting,
  table,
  tabs,
} from '../lib/pieces.js';
import { app } from '../lib/state.js';
import {
  count,
  duration,
  isNumber,
  kSeverities,
  list,
  millis,
  plural,
  total,
} from '../lib/values.js';
import { driftItem } from './drift_item.js';

const kKinds = ['baseline', 'configuration'];
const kShown = { open: 'Open', accepted: 'Accepted', snoozed: 'Snoozed', resolved: 'Resolved' };
const kFilters = ['kind', 'severity', 'control', 'subscription', 'type', 'actor', 'owner'];
const kPage = 500;
const kMaxRequests = 4; // for what only looking at each item can decide

/** What opened (upwards) and what was resolved (downwards) in equal slices of time. */
function driftChart(rows, paged) {
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
      paged && ' This page only.',
    ),
  );
}

const chosenOf = ({ params }) =>
  params.get('show') === 'all' || kShown[params.get('show')] ? params.get('show') : 'open';

const filterOf = ({ params }) =>
  Object.fromEntries(kFilters.map((name) => [name, params.get(name) ?? '']));

// Whom the window has seen: a filter hides everybody else.
const actors = new Set();
const owners = new Set();

async function readDrift(route, signal) {
  const rows = [];
  let counts = null;
  let after = route.params.get('after') ?? '';
  for (let asked = 0; asked < kMaxRequests && rows.length < kPage; asked += 1) {
    const page = await api(
      'drift',
      {
        ...filterOf(route),
        states: chosenOf(route),
        counts: asked === 0 ? 'true' : '',
        limit: kPage - rows.length,
        after,
      },
      signal,
    );
    rows.push(...list(page.drift));
    counts ??= page.counts ?? null;
    after = page.next ?? '';
    if (!after) break;
  }
  for (const row of rows) {
    if (row.change?.changed_by) actors.add(row.change.changed_by);
    if (row.owner) owners.add(row.owner);
  }
  return { rows, counts, next: after, shown: chosenOf(route), route };
}

const listing = {
  title: () => 'Drift',
  async load(route, signal) {
    const [controls, found] = await Promise.all([
      apiList('controls', null, signal),
      readDrift(route, signal),
    ]);
    return { controls, ...found };
  },
  draw({ rows, counts, next, controls, shown, route: of }, route) {
    const chosen = chosenOf(route);
    const filter = filterOf(route);
    const set = ({ target }) => {
      const { after, page, ...kept } = Object.fromEntries(route.params);
      go(link(['drift'], { ...kept, [target.name]: target.value }), false);
    };
    const paged = next || pageNumber(of) > 1;
    const all = shown === 'all' ? total(counts) : counts?.[shown];
    const filtered = Object.values(filter).some(Boolean);
    const any = (options) => [['', 'any'], ...options];
    const states = Object.entries(kShown).map(([name, text]) => [
      name,
      text,
      counts && bold(count(counts[name])),
    ]);
    return [
      heading(
        'Drift',
        aside(
          'What moved away from what was agreed. ',
          h('a', { href: link(['acceptances']) }, 'Acceptances'),
          ' say what is agreed to.',
        ),
      ),
      tabs(
        'Drift',
        route,
        'show',
        [...states, ['all', 'All', counts && bold(count(total(counts)))]],
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
        selector('Severity', filter.severity, any(kSeverities.map((s) => [s, s])), set),
        selector('Kind', filter.kind, any(kKinds.map((k) => [k, k])), set),
        selector(
          'Control',
          filter.control,
          any([...new Set(controls.map(({ name }) => name))].map((name) => [name, name])),
          set,
        ),
        selector(
          'Subscription',
          filter.subscription,
          any(list(app.status?.subscriptions).map((s) => [s.id, s.name || s.id])),
          set,
        ),
        selector(
          'Type',
          filter.type,
          any(list(app.status?.types).map(({ type }) => [type, type])),
          set,
        ),
        suggesting('Actor', filter.actor, actors, set),
        suggesting('Owner', filter.owner, owners, set),
      ),
      h(
        'p.tell',
        { role: 'status' },
        plural(rows.length, 'item'),
        paged && ' on this page',
        paged && isNumber(all) && `, ${count(all)} in all`,
      ),
      rows.length === 0
        ? empty(
            next
              ? 'Nothing in what was searched so far; the next page goes on.'
              : shown === 'open' && !filtered
                ? 'Nothing is adrift.'
                : 'There is no such drift.',
          )
        : [
            driftChart(rows, paged),
            byDay(rows, (item) => item.opened_at).map(([day, items]) =>
              h(
                'section',
                { key: day },
                h('div.head', null, h2(day), aside(plural(items.length, 'item'))),
                limited('drift ' + day, items, 50, (some) => driftTable(day, some, shown)),
              ),
            ),
          ],
      pages({ route: of, next }),
    ];
  },
};

function driftTable(day, items, shown) {
  const withState = shown !== 'open' && shown !== 'resolved';
  return table(
    `Drift of ${day}`,
    ['What moved', 'Resource', withState && 'State', 'Severity', 'Who', 'Opened'],
    items.map((item) => [
      item.id,
      [
        driftLink(item.id, subject(item)),
        item.kind === 'configuration' && h('div.moved', null, movedValue(item)),
        sub(item.kind, ' ', flappingMark(item)),
      ],
      [resourceCell(item.resource_id, item), item.owner && sub(`owner ${item.owner}`)],
      ...(withState ? [[driftState(item.state), h('div', null, covered(item.acceptance))]] : []),
      severityLabel(item.severity),
      who(item.change),
      [
        ago(item.opened_at),
        sub(cycleText(item.opened_cycle)),
        item.resolved_at && sub('resolved ', ago(item.resolved_at)),
      ],
    ]),
  );
}

const viewOf = (route) => (route.path.length > 1 ? driftItem : listing);

export const driftView = {
  title: (route) => viewOf(route).title(route),
  place: (route) => route.path[1] ?? '',
  load: (route, signal) => viewOf(route).load(route, signal),
  draw: (data, route) => viewOf(route).draw(data, route),
};
