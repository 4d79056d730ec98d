// One check.
import { ApiError, apiList } from '../lib/api.js';
import { a, aside, bold, card, def, h, h2, ident, para, quiet } from '../lib/document.js';
import {
  bar,
  coverageText,
  heading,
  link,
  scoreText,
  section,
  severityLabel,
  stateLabel,
  stateShares,
  tabs,
} from '../lib/pieces.js';
import { controlNames, count, kStates, same, total } from '../lib/values.js';
import { findingsTable, readFindings } from './findings.js';

function webAddress(text) {
  const url = URL.canParse(text) && new URL(text);
  return url && /^https?:$/.test(url.protocol) ? url : null;
}

const checkFilter = (check, route) => ({
  state: route.params.get('state') ?? '',
  assignment: check.assignment,
  reference: check.reference,
});

export const checkView = {
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
