// What a team has agreed to live with.
import { apiList } from '../lib/api.js';
import { aside, bold, h, ident, sub } from '../lib/document.js';
import { driftLink } from '../lib/moved.js';
import { ago, at, empty, heading, icon, link, table, tabs } from '../lib/pieces.js';
import { count } from '../lib/values.js';

const kChoices = {
  force: ['In force', (row) => !row.ended_at],
  ended: ['Ended', (row) => Boolean(row.ended_at)],
  all: ['All', () => true],
};

/** What an acceptance covers, by what it says. */
function covers(row) {
  if (row.drift) return driftLink(row.drift, `Drift ${row.drift}`);
  return [
    row.scope === '/' ? 'The whole tenant' : ident(row.scope),
    sub(
      [row.kind, row.type, row.path, row.assignment, row.reference]
        .filter(Boolean)
        .join(' \u00b7 '),
    ),
    sub(row.standing ? 'and what drifts there later' : 'what was open then'),
  ];
}

function state(row) {
  const [cls, text] = row.ended_at
    ? ['ot', 'ended']
    : row.snooze
      ? ['ne', 'snoozed']
      : ['ok', 'accepted'];
  return h('span.state', { class: cls }, icon(cls), text);
}

export const acceptancesView = {
  title: () => 'Acceptances',
  load: async (route, signal) => ({
    rows: await apiList('acceptances', { all: 'true' }, signal),
  }),
  draw({ rows }, route) {
    const chosen = kChoices[route.params.get('show')] ? route.params.get('show') : 'force';
    const fitting = rows.filter(kChoices[chosen][1]).reverse();
    return [
      heading(
        'Acceptances',
        aside(
          h('a', { href: link(['drift']) }, 'Drift'),
          ' that is agreed to, or put off. It is no exemption: verdicts stay as they are and count ',
          'in the score.',
        ),
      ),
      tabs(
        'Acceptances',
        route,
        'show',
        Object.entries(kChoices).map(([name, [text, fits]]) => [
          name,
          text,
          bold(count(rows.filter(fits).length)),
        ]),
        chosen,
      ),
      fitting.length === 0
        ? empty(
            rows.length === 0
              ? 'Nothing has been accepted: plumbline drift accept does, or a file that drift.acceptances names.'
              : 'There is no such acceptance.',
          )
        : table(
            'Acceptances',
            ['Reason', 'State', 'Covers', 'Author', 'Accepted', 'Until', 'To end it'],
            fitting.map((row) => [
              row.id,
              [bold(row.reason), sub(`acceptance ${row.id}`, row.name && `, ${row.name}`)],
              [state(row), row.ended_at && sub(ago(row.ended_at))],
              covers(row),
              row.author,
              ago(row.accepted_at),
              row.expires_at ? at(row.expires_at) : 'no end is set',
              row.ended_at
                ? null
                : row.name
                  ? 'take it out of the file'
                  : h('code.once', null, `plumbline drift withdraw ${row.id}`),
            ]),
          ),
    ];
  },
};
