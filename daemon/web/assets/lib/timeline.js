// All that happened to one resource, as one list.
import { a, aside, code, h, quiet, sub } from './document.js';
import { covered, driftLink, movedValue, patchLines, subject, who } from './moved.js';
import {
  ago,
  at,
  became,
  checkLink,
  cycleText,
  empty,
  limited,
  link,
  reasonText,
  severityLabel,
  stateLabel,
  table,
} from './pieces.js';
import { list, plural, same } from './values.js';

const kDifferences = 4; // of one version, in the list

function version(entry, id, older) {
  return [
    [
      older
        ? a(
            link(['resource'], { id, from: older.version, to: entry.version }),
            `Version ${entry.version}`,
          )
        : `Version ${entry.version}`,
      sub(cycleText(entry.cycle)),
    ],
    older
      ? (patchLines(list(entry.changes), kDifferences) ?? quiet('nothing that is stored differs'))
      : 'The first that is kept, or the first since it came back',
    who(entry.change),
  ];
}

function drift(entry, id) {
  const elsewhere = !same(entry.resource_key, id);
  return [
    [driftLink(entry.drift, `Drift ${entry.drift}`), ` ${entry.step}`, sub(entry.kind)],
    [
      subject(entry),
      entry.step === 'opened' || entry.step === 'changed' ? sub(movedValue(entry)) : null,
      sub(severityLabel(entry.severity), elsewhere && [' \u00b7 ', entry.resource_key]),
    ],
    entry.acceptance ? covered(entry.acceptance) : who(entry.change),
  ];
}

function told(entry) {
  const paths = list(entry.paths);
  return [
    ['Azure told of a change', sub(entry.kind)],
    paths.length > 0
      ? [
          h(
            'ul.patch',
            null,
            paths.slice(0, kDifferences).map((path) => h('li', { key: path }, code(path))),
          ),
          paths.length > kDifferences &&
            sub(`and ${plural(paths.length - kDifferences, 'property', 'properties')} more`),
        ]
      : [entry.operation ? code(entry.operation) : quiet('It does not say of what.')],
    [
      h('span.person', null, entry.changed_by || quiet('not named')),
      sub(entry.client_type && `with ${entry.client_type}`),
    ],
  ];
}

const transition = (entry) => [
  ['Verdict', sub(cycleText(entry.cycle))],
  [
    checkLink(entry),
    ' ',
    became(stateLabel(entry.from), stateLabel(entry.to)),
    sub(entry.cause, entry.reason && ' \u00b7 ', reasonText(entry.reason)),
  ],
  null,
];

const end = (entry) => [['Gone', sub(cycleText(entry.cycle))], null, who(entry.change)];

/** history: an answer of the call of that name. */
export function timeline(history, id) {
  const rows = list(history?.timeline);
  if (rows.length === 0) return empty('Nothing is kept.');
  const cells = (entry, i) => {
    if (entry.entry === 'version') {
      const before = rows.slice(i + 1).find((row) => ['version', 'end'].includes(row.entry));
      return version(entry, id, before?.entry === 'version' ? before : null);
    }
    return { drift, change: told, transition, end }[entry.entry](entry, id);
  };
  // Counted from the oldest on, so that a row stays the same one when others come before it.
  const keyed = rows.map((entry, i) => [rows.length - i, entry, i]);
  return [
    limited('timeline', keyed, 20, (some) =>
      table(
        'Timeline',
        ['What', 'Of what', 'Who', 'When'],
        some.map(([key, entry, i]) => [
          key,
          ...cells(entry, i),
          [ago(entry.at), sub(at(entry.at))],
        ]),
      ),
    ),
    history.more && aside(`The latest ${rows.length} are shown.`),
  ];
}
