// One piece of drift: its life, both versions side by side, and what can be done about it.
import { ApiError, api, apiList } from '../lib/api.js';
import { differingText, sideBySide } from '../lib/diff.js';
import { a, aside, card, code, def, div, h, h2, ident, sub } from '../lib/document.js';
import {
  covered,
  driftState,
  flappingMark,
  movedValue,
  subject,
  whoCertain,
  whoText,
} from '../lib/moved.js';
import {
  ago,
  at,
  checkLink,
  cycleText,
  empty,
  heading,
  link,
  problem,
  resourceCell,
  section,
  severityLabel,
  stateLabel,
  table,
  valueText,
} from '../lib/pieces.js';
import { isBlank, list, parseId, same, subscriptionName } from '../lib/values.js';

const kStepText = {
  opened: 'opened',
  changed: 'opened in place of an earlier one: its value is another',
  accepted: 'accepted',
  snoozed: 'snoozed: put off',
  reopened: 'opened again',
  flapping: 'flapping: it keeps coming and going',
  resolved: 'resolved',
};

const missing = (error) => {
  if (error.status !== 404) throw error;
  return null;
};

const isGone = (item) => item.resolved_at !== null || item.quiet_since !== null;

/** The versions to compare: the agreed one, and the present one or, where that is not adrift, that
 * which was. */
function versionsOf(item, versions) {
  const ends = versions.find((v) => v.to_cycle === item.opened_cycle);
  const begins = versions.find((v) => v.from_cycle === item.opened_cycle);
  const byNumber = (number, otherwise) =>
    versions.find((v) => v.version === number) ?? otherwise ?? null;
  const agreed = byNumber(item.old_version, ends);
  const shown = byNumber(item.new_version, begins);
  const current = versions.find((v) => v.to_cycle === null) ?? null;
  const moved = item.kind === 'configuration' || agreed || shown;
  return moved ? [agreed, isGone(item) ? shown : current] : [null, null];
}

export const driftItem = {
  title: (route) => `Drift ${route.path[1]}`,
  async load(route, signal) {
    const number = route.path[1];
    const found = /^[1-9][0-9]{0,17}$/.test(number)
      ? await apiList('drift', { item: number }, signal)
      : [];
    const [item] = found;
    if (!item)
      throw new ApiError(
        'refused',
        'Not Found',
        `There is no drift ${number}, or not any more`,
        404,
      );
    const id = item.resource_key;
    const [acceptances, versions, resource] = await Promise.all([
      apiList('acceptances', { all: 'true' }, signal),
      apiList('versions', { id, limit: 1000 }, signal).catch(missing),
      api('resource', { id }, signal).catch(missing),
    ]);
    const data = { item, acceptances, resource, compared: versionsOf(item, versions ?? []) };
    data.bodies = await Promise.all(
      data.compared.map((version) =>
        version === null
          ? null
          : version.version === resource?.version
            ? resource.configuration
            : api('resource', { id, at: version.from }, signal)
                .then(({ configuration }) => configuration)
                .catch(missing),
      ),
    );
    return data;
  },
  draw(data) {
    const { item } = data;
    const { subscription, group } = parseId(item.resource_id);
    return [
      heading(`Drift ${item.id}`, h('p.lead', null, subject(item), ' ', flappingMark(item))),
      card(
        h(
          'dl.across',
          null,
          div(def('State', driftState(item.state))),
          div(def('Severity', severityLabel(item.severity))),
          div(def('Kind', item.kind)),
          div(def('Resource', h('div', null, resourceCell(item.resource_id, item)[0]))),
          div(def('Type', ident(item.type))),
          subscription && div(def('Subscription', subscriptionName(subscription))),
          group && div(def('Resource group', group)),
          div(def('Owner', item.owner || 'nobody is named')),
          div(def('Opened', ago(item.opened_at), `, ${cycleText(item.opened_cycle)}`)),
          item.resolved_at && div(def('Resolved', ago(item.resolved_at))),
          item.quiet_since && div(def('Away since', ago(item.quiet_since))),
        ),
      ),
      h('div.pair', null, moved(item), actions(item)),
      life(data),
      concerned(data),
      difference(data),
    ];
  },
};

function moved(item) {
  const { change } = item;
  return card(
    h2('What moved'),
    item.kind === 'configuration' && item.path
      ? h(
          'dl',
          null,
          def('Property', code(item.path)),
          def('Agreed', valueText(item.old)),
          def('Found', valueText(item.new)),
        )
      : h('p', null, movedValue(item) ?? subject(item)),
    h2('Who'),
    h('p', null, whoText(change)),
    whoCertain(change) &&
      h(
        'dl',
        null,
        !isBlank(change.changed_by_type) && def('Kind', change.changed_by_type),
        !isBlank(change.operation) && def('Operation', code(change.operation)),
        !isBlank(change.correlation_id) && def('Correlation', ident(change.correlation_id)),
        def(
          'Observed at',
          change.not_before && [at(change.not_before), ' and '],
          at(change.not_after),
        ),
      ),
  );
}

const command = (label, text) =>
  h('pre.command', { tabindex: '0', role: 'region', 'aria-label': label, key: label }, text);

function actions(item) {
  const { acceptance } = item;
  const until = new Date(Date.now() + 14 * 86_400_000).toISOString().slice(0, 10);
  const body =
    item.state === 'resolved'
      ? [h2('Resolved'), h('p', null, 'There is nothing left to accept.')]
      : item.state === 'open'
        ? [
            h2('To accept it'),
            aside('This page changes nothing. On the machine of the daemon:'),
            command('Command that accepts it', `plumbline drift accept ${item.id} --reason "..."`),
            aside('Or to put it off:'),
            command(
              'Command that puts it off',
              `plumbline drift accept ${item.id} --snooze --expires-on ${until} --reason "..."`,
            ),
          ]
        : [
            h2(item.state === 'snoozed' ? 'Snoozed' : 'Accepted'),
            h('p', null, covered(acceptance)),
            acceptance &&
              (acceptance.name
                ? aside(`The entry ${acceptance.name} of the file with acceptances says so.`)
                : [
                    aside('To open it again, on the machine of the daemon:'),
                    command(
                      'Command that opens it again',
                      `plumbline drift withdraw ${acceptance.id}`,
                    ),
                  ]),
          ];
  return card(body);
}

function life({ item, acceptances }) {
  return section(
    'Life',
    null,
    table(
      'Steps',
      ['Step', 'When', 'Cycle', 'Acceptance'],
      [...list(item.events)]
        .reverse()
        .map((event) => [
          event.id,
          kStepText[event.step] ?? event.step,
          [ago(event.at), sub(at(event.at))],
          event.cycle,
          covered(acceptances.find((row) => row.id === event.acceptance)),
        ]),
    ),
  );
}

function concerned({ item, resource }) {
  const verdictOf = (check) =>
    list(resource?.verdicts).find(
      (v) => same(v.assignment, check.assignment) && same(v.reference, check.reference),
    );
  const checks = list(item.checks);
  return section(
    'Checks concerned',
    item.kind === 'baseline' ? null : 'Those that read the property.',
    checks.length === 0
      ? empty(
          item.kind === 'baseline'
            ? 'The check is assigned no more.'
            : 'No check reads it; it counts because of its type.',
        )
      : table(
          'Checks concerned',
          ['Check', 'Severity', 'Controls', 'Now', 'Explanation'],
          checks.map((check) => {
            const verdict = verdictOf(check);
            return [
              `${check.assignment}/${check.reference}`,
              [checkLink(check), sub(check.reference)],
              severityLabel(check.severity),
              list(check.controls).join(', '),
              verdict && stateLabel(verdict.state),
              verdict &&
                a(
                  link(['resource'], {
                    id: item.resource_id,
                    assignment: check.assignment,
                    reference: check.reference,
                  }),
                  'explain',
                  h('span.hide', null, `: ${check.title}`),
                ),
            ];
          }),
        ),
  );
}

function difference({ item, compared, bodies }) {
  const [agreed, found] = compared;
  if (!bodies[0] && !bodies[1])
    return section(
      'Difference',
      null,
      empty('The resource itself has no two versions to compare.'),
    );
  const head = (name, version, body) =>
    version && body
      ? [`${name}: version ${version.version}, first observed `, at(version.observed_at)]
      : `${name}: none`;
  const { differing, lines } = sideBySide(bodies, [
    head('Agreed', agreed, bodies[0]),
    head(isGone(item) ? 'Found' : 'Present', found, bodies[1]),
  ]);
  return section('Difference', differingText(differing), lines);
}
