// Controls, with the rows of the documents behind them.
import { ApiError, api, apiList } from '../lib/api.js';
import { a, aside, bold, card, def, div, h, sub } from '../lib/document.js';
import {
  bar,
  checkLink,
  coverageText,
  empty,
  heading,
  link,
  scoreText,
  section,
  severityLabel,
  stateLabel,
  stateShares,
  table,
  tallyTable,
} from '../lib/pieces.js';
import { controlNames, count, kStates, list, same } from '../lib/values.js';

export const controlCells = (assignment, item) => [
  [a(link(['control', assignment, item.name]), item.name), sub(item.title)],
];

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

export const controlsView = {
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

export const controlView = {
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
