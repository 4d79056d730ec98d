// Drift.
import { go } from '../app.js';
import { apiList, now } from '../lib/api.js';
import { aside, bold, card, h, h2, ident, sub } from '../lib/document.js';
import {
  ago,
  became,
  byDay,
  checkLink,
  cycleText,
  empty,
  heading,
  latest,
  limited,
  link,
  resourceCell,
  selector,
  severityLabel,
  stateLabel,
  table,
  tabs,
} from '../lib/pieces.js';
import { app } from '../lib/state.js';
import {
  count,
  duration,
  kRows,
  kSeverities,
  list,
  millis,
  parseId,
  plural,
  same,
} from '../lib/values.js';
import { clipped, isBlank } from './resource.js';

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

export const driftView = {
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
