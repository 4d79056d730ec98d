// Transitions and cycles.
import { apiList } from '../lib/api.js';
import { aside, sub } from '../lib/document.js';
import {
  ago,
  became,
  checkLink,
  completeness,
  cycleText,
  empty,
  heading,
  latest,
  limited,
  reasonText,
  resourceCell,
  stateLabel,
  table,
  tabs,
} from '../lib/pieces.js';
import { count, duration, kRows, millis, subscriptionName } from '../lib/values.js';
import { rowKey } from './findings.js';

export function cycleTable(rows) {
  const took = (c) =>
    millis(c.committed_at) &&
    millis(c.started_at) &&
    duration(millis(c.committed_at) - millis(c.started_at));
  const numbers = ['observed', 'changed', 'deleted', 'evaluated', 'transitions'];
  const scope = (text) => (/^[0-9a-f-]{36}$/i.test(text) ? subscriptionName(text) : text);
  return table(
    'Cycles',
    [
      'Cycle',
      'Kind',
      'Committed',
      'Took|num',
      'Result',
      ...numbers.map((n) => `${n[0].toUpperCase()}${n.slice(1)}|num`),
    ],
    rows.map((c) => [
      c.number,
      count(c.number),
      [c.kind, sub(scope(c.scope))],
      ago(c.committed_at),
      took(c),
      completeness(c),
      ...numbers.map((n) => count(c[n])),
    ]),
  );
}

export const historyView = {
  title: () => 'History',
  async load(route, signal) {
    const what = route.params.get('show') === 'cycles' ? 'cycles' : 'transitions';
    return { what, rows: await apiList(what, { limit: kRows }, signal) };
  },
  draw({ what, rows }, route) {
    return [
      heading('History', aside('Changes of verdicts, and the commits that they came with.')),
      tabs(
        'History',
        route,
        'show',
        [
          ['transitions', 'Transitions'],
          ['cycles', 'Cycles'],
        ],
        what,
      ),
      rows.length === 0
        ? empty(
            what === 'cycles' ? 'No cycle has been committed yet.' : 'No verdict has changed yet.',
          )
        : what === 'cycles'
          ? limited('cycles', rows, 100, cycleTable)
          : limited('transitions', rows, 100, (some) =>
              table(
                'Transitions',
                ['Resource', 'Check', 'Change', 'Cause', 'Reason', 'When'],
                some.map((t) => [
                  `${t.cycle}\n${rowKey(t)}`,
                  resourceCell(t.resource_key, t),
                  [checkLink(t), sub(t.reference)],
                  became(stateLabel(t.from), stateLabel(t.to)),
                  t.cause,
                  reasonText(t.reason),
                  [ago(t.at), sub(cycleText(t.cycle))],
                ]),
              ),
            ),
      latest(rows),
    ];
  },
};
