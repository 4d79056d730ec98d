// One resource: verdicts, explanations, versions and their differences.
import { go, parseRoute } from '../app.js';
import { api } from '../lib/api.js';
import { differingText, sideBySide } from '../lib/diff.js';
import { aside, card, code, def, div, h, ident, kNone, quiet, sub } from '../lib/document.js';
import {
  ago,
  at,
  checkLink,
  cycleText,
  empty,
  heading,
  icon,
  link,
  problem,
  reasonText,
  section,
  selector,
  severityLabel,
  stateLabel,
  table,
  valueText,
} from '../lib/pieces.js';
import { timeline } from '../lib/timeline.js';
import {
  absolute,
  byWeight,
  isBlank,
  isNumber,
  kReasons,
  kStates,
  list,
  millis,
  parseId,
  plural,
  same,
  sourceText,
  subscriptionName,
} from '../lib/values.js';
import { rowKey } from './findings.js';

const kEntries = 500; // of the timeline

const kTruthClass = { undetermined: 'ne', error: 'er' };
/** One condition of a rule, and those it is made of. */
function condition(node, key, depth) {
  const truth = String(node.truth);
  const cls = kTruthClass[truth];
  const kids = list(node.children);
  const field = /^(if: )?field /.test(node.text);
  const settled = truth === 'true' || truth === 'false';
  const line = [
    h('span.truth', { class: cls }, cls && icon(cls), truth.replace('_', ' ')),
    code(node.text),
    node.decisive && h('span.decisive', null, 'decisive'),
  ];
  const below = [
    kids.length === 0 &&
      truth !== 'not_evaluated' &&
      (field || !isBlank(node.actual) || !isBlank(node.expected)) &&
      h(
        'dl.values',
        null,
        // Only a settled condition knows that there is nothing.
        def('actual', valueText(node.actual, field && settled ? 'absent' : 'not known')),
        !isBlank(node.expected) && def('expected', valueText(node.expected)),
        !isBlank(node.path) && def('read at', code(node.path)),
      ),
    node.reason &&
      h(
        'p.why',
        null,
        `Reason: ${node.reason}${kReasons[node.reason] ? `, ${kReasons[node.reason]}` : ''}`,
      ),
  ];
  return h(
    'li',
    { key, class: node.decisive ? 'is-decisive' : null },
    kids.length === 0
      ? [h('div.line', null, line), below]
      : h(
          'details',
          { opened: node.decisive || depth < 2 },
          h('summary.line', null, line),
          below,
          h(
            'ul.tree',
            null,
            kids.map((kid, i) => condition(kid, `${key}.${i}`, depth + 1)),
          ),
        ),
  );
}

const worstFirst = (x, y) => kStates.indexOf(x.state) - kStates.indexOf(y.state) || byWeight(x, y);

function explanation({ chosen, explained, unexplained }) {
  return section(
    'Explanation',
    chosen.title ?? chosen.reference,
    unexplained && problem(unexplained),
    explained &&
      card(
        h(
          'p.line',
          null,
          stateLabel(explained.state),
          explained.reason,
          kReasons[explained.reason] && quiet(kReasons[explained.reason]),
        ),
        aside(
          'Effect ',
          code(explained.effect || 'none'),
          `, decided on version ${explained.version ?? kNone}, observed `,
          ago(explained.observed_at),
          '. A rule describes what is wrong: \u201ctrue\u201d means that the condition holds, not ',
          'that all is well. The verdict rests on the conditions marked decisive.',
        ),
        explained.explanation
          ? h(
              'ul.tree',
              { class: 'root' },
              condition(explained.explanation, `${chosen.assignment}/${chosen.reference}`, 0),
            )
          : empty('The rule was not evaluated on this resource.'),
      ),
  );
}

function difference({ resource, from, to }) {
  const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
  const options = versions.map((v) => [
    String(v.version),
    `${v.version} (${absolute(millis(v.observed_at))})`,
  ]);
  const choose =
    (name) =>
    ({ target }) => {
      const params = Object.fromEntries(parseRoute(location.hash).params);
      go(
        link(['resource'], {
          ...params,
          from: String(from.version),
          to: String(to.version),
          [name]: target.value,
        }),
        false,
      );
    };
  const first = (v) => at(versions.find((own) => own.version === v.version)?.observed_at);
  const { differing, lines } = sideBySide(
    [from, to].map((v) => v.configuration),
    [from, to].map((v) => [`Version ${v.version}, first observed `, first(v)]),
  );
  return section(
    'Difference',
    differingText(differing),
    h(
      'form.filters',
      {
        class: 'versions',
        'aria-label': 'Versions to compare',
        onsubmit: (event) => event.preventDefault(),
      },
      selector('Before', String(from.version), options, choose('from')),
      selector('After', String(to.version), options, choose('to')),
    ),
    lines,
  );
}

export const resourceView = {
  title: (route, data) => parseId(data?.resource.id ?? route.params.get('id')).name,
  place: (route) => route.params.get('id'),
  async load({ params }, signal) {
    const id = params.get('id');
    const resource = await api('resource', { id }, signal);
    const verdicts = [...list(resource.verdicts)].sort(worstFirst);
    const chosen =
      verdicts.find(
        (v) =>
          same(v.assignment, params.get('assignment')) &&
          same(v.reference, params.get('reference')),
      ) ?? verdicts[0];
    const data = { resource, verdicts, chosen };
    const refused = (name) => (error) => {
      if (error.kind !== 'refused') throw error;
      data[name] = error;
    };
    const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
    const version = (name, standard) => {
      const number = Number(params.get(name)) || standard?.version;
      return number === resource.version
        ? resource
        : api('resource', { id, version: number }, signal).catch(refused('incomparable'));
    };
    const explained =
      chosen &&
      api(
        'explain',
        { assignment: chosen.assignment, reference: chosen.reference, resource: resource.id },
        signal,
      ).catch(refused('unexplained'));
    const history = api('history', { id: resource.id, limit: kEntries }, signal);
    const compared =
      versions.length > 1 ? [version('from', versions[1]), version('to', versions[0])] : [];
    [data.history, data.explained, data.from, data.to] = await Promise.all([
      history.catch(refused('untold')),
      explained,
      ...compared,
    ]);
    return data;
  },
  draw(data) {
    const { resource, verdicts, chosen } = data;
    const id = resource.id ?? resource.key;
    const { name, subscription, group } = parseId(id);
    const versions = [...list(resource.versions)].sort((x, y) => y.from_cycle - x.from_cycle);
    return [
      heading(name, aside(ident(id))),
      card(
        h(
          'dl.across',
          null,
          div(def('Type', ident(resource.type))),
          subscription && div(def('Subscription', subscriptionName(subscription))),
          group && div(def('Resource group', group)),
          div(def('Observed', ago(resource.observed_at))),
          div(
            def(
              'Version',
              resource.version,
              isNumber(resource.from_cycle) && `, since ${cycleText(resource.from_cycle)}`,
            ),
          ),
          div(def('Source', ident(sourceText(resource.source)))),
        ),
      ),
      section(
        'Verdicts',
        null,
        verdicts.length === 0
          ? empty('No check applies to this resource.')
          : table(
              'Verdicts',
              ['Check', 'State', 'Severity', 'Reason', 'Cause', 'Since', 'Explanation'],
              verdicts.map((v) => [
                rowKey(v),
                [checkLink(v), sub(v.reference)],
                stateLabel(v.state),
                severityLabel(v.severity),
                reasonText(v.reason),
                v.cause,
                cycleText(v.since_cycle),
                h(
                  'a',
                  {
                    href: link(['resource'], {
                      id,
                      assignment: v.assignment,
                      reference: v.reference,
                    }),
                    'aria-current': v === chosen ? 'true' : null,
                  },
                  v === chosen ? 'shown below' : 'explain',
                  h('span.hide', null, `: ${v.title ?? v.reference}`),
                ),
              ]),
            ),
      ),
      chosen && explanation(data),
      data.incomparable && problem(data.incomparable),
      data.from && data.to && difference(data),
      section(
        'Timeline',
        'Versions, verdicts, drift, and what Azure told of changes; the latest first.',
        data.untold ? problem(data.untold) : timeline(data.history, id),
      ),
      section(
        'Versions',
        null,
        versions.length === 0
          ? empty('None is kept.')
          : table(
              'Versions',
              ['Version', 'From', 'To', 'Observed', 'Difference'],
              versions.map((v, i) => [
                v.version,
                v.version,
                cycleText(v.from_cycle),
                cycleText(v.to_cycle) ?? 'current',
                at(v.observed_at),
                versions[i + 1] &&
                  h(
                    'a',
                    {
                      href: link(['resource'], {
                        id,
                        assignment: chosen?.assignment,
                        reference: chosen?.reference,
                        from: versions[i + 1].version,
                        to: v.version,
                      }),
                    },
                    'to the one before',
                    h('span.hide', null, ` version ${v.version}`),
                  ),
              ]),
            ),
      ),
      section(
        'Configuration',
        'As last observed. Secrets stand as redacted:\u2026 fingerprints.',
        isBlank(resource.configuration)
          ? empty('No configuration is stored.')
          : h(
              'pre',
              { tabindex: '0', role: 'region', 'aria-label': 'Configuration' },
              JSON.stringify(resource.configuration, null, 2),
            ),
      ),
    ];
  },
};
