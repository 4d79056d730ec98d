// Exemptions.
import { apiList } from '../lib/api.js';
import { a, aside, bold, h, ident, sub } from '../lib/document.js';
import { ago, empty, heading, icon, link, table, tabs } from '../lib/pieces.js';
import { count, list } from '../lib/values.js';

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

export const exemptionsView = {
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
