// What several views are made of.
import { drawView, poll, read } from '../app.js';
import { query } from './api.js';
import {
  a,
  aside,
  bold,
  button,
  code,
  div,
  gap,
  h,
  h2,
  kNone,
  more,
  para,
  quiet,
  sub,
} from './document.js';
import {
  absolute,
  count,
  isBlank,
  isNumber,
  kReasons,
  kRows,
  kStateClass,
  kStates,
  millis,
  parseId,
  percent,
  plural,
  relative,
  subscriptionName,
} from './values.js';

const kIcons = {
  ok: 'M3.5 8.5l3 3 6-7',
  nc: 'M4 4l8 8M12 4l-8 8',
  ne: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 9.8M8 12v.5',
  er: 'M8 3.5v5.5M8 11.5v.8',
  ot: 'M4 8h8',
};
const stateClass = (state) => kStateClass[state] ?? 'ot';

export function icon(name) {
  return h(
    'svg.icon',
    { viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    h('path', { d: kIcons[name] }),
  );
}

export function stateLabel(state) {
  return h(
    'span.state',
    { class: stateClass(state) },
    icon(stateClass(state)),
    state || 'not applicable',
  );
}

export const severityLabel = (severity) =>
  h('span.severity', { class: severity }, severity ?? kNone);

export function ago(value, empty = 'never') {
  const ms = value instanceof Date ? value.getTime() : millis(value);
  return ms
    ? h(
        'time',
        { datetime: new Date(ms).toISOString(), title: absolute(ms), 'data-at': String(ms) },
        relative(ms),
      )
    : quiet(empty);
}

export function at(value) {
  const ms = millis(value);
  return ms ? h('time', { datetime: new Date(ms).toISOString() }, absolute(ms)) : quiet(kNone);
}

export function cycleText(cycle) {
  return isNumber(cycle) && cycle > 0 ? `cycle\u00a0${cycle}` : null;
}

/** A bar of shares; each share is `[class, value]`. The numbers stand beside it in text. */
export function bar(shares, cls = '') {
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

export function stateShares(counts) {
  const of = (cls) =>
    kStates.reduce((sum, state) => sum + ((stateClass(state) === cls && counts?.[state]) || 0), 0);
  return ['ok', 'nc', 'er', 'ne', 'ot'].map((cls) => [cls, of(cls)]);
}

export const scoreText = (score) => (isNumber(score) ? percent(score) : quiet('no score'));

export function coverageText(coverage) {
  if (!isNumber(coverage)) return quiet('none applicable');
  return coverage < 1 ? gap(percent(coverage)) : percent(coverage);
}

export function link(path, params) {
  return '#/' + path.map(encodeURIComponent).join('/') + query(params);
}

export const checkLink = (item, text) =>
  a(
    link(['check', item.assignment ?? '', item.reference ?? '']),
    text ?? item.title ?? item.reference,
  );

export function resourceCell(id, item) {
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

export function reasonText(reason) {
  if (!reason) return null;
  const known = kReasons[reason];
  return known ? [code(reason), sub(known)] : reason;
}

// heads: 'Head' or 'Head|class'; the first cell names the row. Narrow windows show rows as cards,
// which costs a table its meaning for assistive technology: hence the roles.
export function table(caption, heads, rows) {
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
export function limited(name, rows, limit, draw) {
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

export const pageNumber = (route) =>
  Math.max(1, Number.parseInt(route.params.get('page') ?? '1', 10) || 1);

// The cursors point forward only, so the way back is what this window came by.
const cameFrom = new Map();

/** Steps to other pages of a list; `next` is the cursor of the one that follows. */
export function pages({ route, next: cursor }) {
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

export function section(title, note, ...kids) {
  return h('section', null, h('div.head', null, h2(title), note && aside(note)), kids);
}

export function heading(title, ...below) {
  return h('div.title', null, h('h1', { tabindex: '-1' }, title), below);
}

export const empty = (text) => h('p.empty', null, text);

export function problem({ kind, title, status, detail }) {
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

/** Scores of some items; `first` gives the leading cells, `filter` what leads to the findings. */
export function tallyTable(caption, heads, items, first, filter) {
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

export const completeness = (cycle) => (cycle.complete === false ? gap('incomplete') : 'complete');

export function selector(label, value, options, onchange) {
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

export let timer = 0;
export function later(action) {
  clearTimeout(timer);
  timer = setTimeout(action, 300);
}

/** choices: `[value, ...content]` of the parameter `name`. */
export function tabs(label, route, name, choices, chosen, kept) {
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

export const valueText = (value, none = 'absent') =>
  isBlank(value)
    ? h('i', null, none)
    : code(typeof value === 'string' ? value : JSON.stringify(value));

const kClip = 160;
export const clipped = (value) =>
  typeof value === 'string' && value.length > kClip
    ? [valueText(value.slice(0, kClip) + '\u2026'), sub(plural(value.length, 'character'))]
    : valueText(value);

/** A field of a filter that takes any text, with those that are known to occur. */
export function suggesting(label, value, known, onchange) {
  const name = label.toLowerCase();
  return h(
    'label',
    { key: name },
    label,
    h('input', {
      type: 'search',
      name,
      value,
      list: `known-${name}`,
      placeholder: 'any',
      autocomplete: 'off',
      onchange,
      oninput: (event) => event.target.value === '' && onchange(event),
    }),
    h(
      'datalist',
      { id: `known-${name}` },
      [...known].sort().map((text) => h('option', { key: text, value: text })),
    ),
  );
}

export const latest = (rows) =>
  rows.length >= kRows && aside(`The latest ${count(kRows)} are shown.`);
export const became = (from, to) =>
  h(
    'span.change',
    null,
    h('span', null, from),
    h('span.arrow', null, '\u2192'),
    h('span', null, to),
  );

export function byDay(rows, time) {
  const days = new Map();
  for (const row of rows) {
    const day = absolute(millis(time(row)) ?? 0).slice(0, 10);
    days.set(day, [...(days.get(day) ?? []), row]);
  }
  return [...days];
}
