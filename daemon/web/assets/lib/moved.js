// What several views tell of drift: what moved, who moved it, what covers it.
import { a, code, h, ident, quiet, sub } from './document.js';
import { ago, at, became, clipped, icon, link, stateLabel } from './pieces.js';
import { isBlank, plural } from './values.js';

const kStates = {
  open: ['nc', 'open'],
  accepted: ['ok', 'accepted'],
  snoozed: ['ne', 'snoozed'],
  resolved: ['ot', 'resolved'],
};

export function driftState(state) {
  const [cls, text] = kStates[state] ?? ['ot', state];
  return h('span.state', { class: cls }, icon(cls), text);
}

export const driftLink = (id, ...text) => a(link(['drift', String(id)]), text);

/** Of the id of a list's entry, its name. */
const segmentText = (part) =>
  part.includes('~1') ? `/…/${part.slice(part.lastIndexOf('~1') + 2)}` : part;

/** A JSON pointer that may break before a segment, and within one only where it must. */
export const pathText = (path) =>
  h(
    'span',
    { title: path.includes('~1') ? path : null },
    ident(path.split(/(?=\/)/).map((part, i) => [i > 0 && h('wbr', { key: i }), segmentText(part)])),
  );

/** What an item is about, in a few words. */
export function subject(item) {
  if (item.reference) return item.title || item.reference;
  if (item.path) return pathText(item.path);
  return isBlank(item.old) ? 'The resource was added' : 'The resource was removed';
}

export function movedValue(item) {
  if (item.kind === 'baseline')
    return h('span.change', null, 'became ', stateLabel('NonCompliant'));
  if (item.path) return became(clipped(item.old), clipped(item.new));
  return null;
}

export const flappingMark = (item) =>
  item.flapping &&
  h(
    'span.mark',
    { title: 'It keeps coming and going; it is resolved once it stays away.' },
    item.quiet_since ? 'flapping, away' : 'flapping',
  );

const named = (change) => change.changed_by || 'somebody whom Azure does not name';

/** Between which observations it happened: all that is certain where nobody can be named. */
const interval = (change) =>
  change.not_before
    ? ['between the observations of ', at(change.not_before), ' and ', at(change.not_after)]
    : ['before it was first observed, ', at(change.not_after)];

/** Who made a change, with what and when, for a cell of a table. */
export function who(change) {
  if (!change) return null;
  if (!('changed_by' in change)) return [quiet('not known'), sub(interval(change))];
  return [
    h('span.person', null, named(change)),
    sub(change.client_type && `with ${change.client_type}, `, ago(change.at)),
  ];
}

export const whoCertain = (change) => change && 'changed_by' in change;

/** The same in a sentence. */
export function whoText(change) {
  if (!change)
    return 'The resource itself did not change then: something that it relates to did, or time passed.';
  if (!whoCertain(change))
    return ['Nobody can be named for certain. It happened ', interval(change), '.'];
  return [
    named(change),
    change.client_type && ` with ${change.client_type}`,
    ', ',
    at(change.at),
    " by Azure's clock.",
    !change.complete && ' Azure may still tell of somebody else.',
  ];
}

/** What covers drift: why, who agreed, until when. */
export function covered(acceptance) {
  if (!acceptance) return null;
  return [
    acceptance.reason,
    sub(
      a(link(['acceptances'], { show: 'all' }), `acceptance ${acceptance.id}`),
      ` by ${acceptance.author}`,
      acceptance.expires_at && [', until ', at(acceptance.expires_at)],
    ),
  ];
}

/** What a change did, as lines of an RFC 6902 patch. */
export function patchLines(changes, most) {
  if (changes.length === 0) return null;
  return [
    h(
      'ul.patch',
      null,
      changes
        .slice(0, most)
        .map(({ op, path, value }, i) =>
          h(
            'li',
            { key: i },
            op,
            ' ',
            code(path || '/'),
            value !== undefined && [' ', clipped(JSON.stringify(value))],
          ),
        ),
    ),
    changes.length > most && sub(`and ${plural(changes.length - most, 'difference')} more`),
  ];
}
