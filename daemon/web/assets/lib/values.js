// Numbers, times and names as text.
import { now } from './api.js';
import { kNone } from './document.js';
import { app } from './state.js';

export const kRows = 1000; // of history, the most that one answer holds

export const kStates = [
  'NonCompliant',
  'NoEvidence',
  'Error',
  'Conflict',
  'Compliant',
  'Protected',
  'Exempt',
  'Unknown',
];
export const kStateClass = {
  NonCompliant: 'nc',
  NoEvidence: 'ne',
  Error: 'er',
  Conflict: 'er',
  Compliant: 'ok',
};
export const kSeverities = ['critical', 'high', 'medium', 'low'];
export const kReasons = {
  not_collected: 'nothing has been collected that could tell',
  confirming: 'being confirmed by a direct read',
  forbidden: 'the identity may not read this',
  throttled: 'Azure asked to slow down',
  truncated: 'the answer was cut short',
  unauthorized: 'the sign-in was not accepted',
  unavailable: 'Azure could not answer',
  timeout: 'no answer came in time',
  network: 'Azure could not be reached',
  tls: 'the connection could not be secured',
  limit: 'there is more than is read',
};
export const list = (value) => (Array.isArray(value) ? value : []);
const number = new Intl.NumberFormat('en');
export const count = (value) => (typeof value === 'number' ? number.format(value) : kNone);
export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;
export const isBlank = (value) => value === undefined || value === null || value === '';
export const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

// As the command line rounds and writes it: half to even, one decimal.
const tenths = new Intl.NumberFormat('en', {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  roundingMode: 'halfEven',
  useGrouping: false,
});
export const percent = (ratio) => `${tenths.format(ratio * 100)}\u00a0%`;

/** Milliseconds since 1970; null for what is no time. */
export const millis = (value) => Date.parse(value) || null;

export function absolute(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + ' UTC';
}

export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s === 0) return '<1 s';
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export function relative(ms) {
  const past = now() - ms;
  if (Math.abs(past) < 1000) return 'now';
  return past < 0 ? `in ${duration(-past)}` : `${duration(past)} ago`;
}

export const size = new Intl.NumberFormat('en', {
  style: 'unit',
  unit: 'byte',
  unitDisplay: 'narrow',
  notation: 'compact',
});
export const same = (a, b) => String(a ?? '').toLowerCase() === String(b ?? '').toLowerCase();
export const total = (counts) => Object.values(counts ?? {}).reduce((sum, n) => sum + (n || 0), 0);
export const controlNames = (check) =>
  list(check.controls)
    .map((c) => (typeof c === 'string' ? c : c?.name))
    .filter(Boolean);

export function subscriptionName(id) {
  return list(app.status?.subscriptions).find((s) => same(s.id, id))?.name || id;
}

/** The parts of a resource id that a reader looks for. */
export function parseId(id) {
  const [scope, ...providers] = String(id ?? '').split(/\/providers\//i);
  const find = (word) => scope.match(new RegExp(`/${word}/([^/]+)`, 'i'))?.[1] ?? '';
  const [subscription, group] = [find('subscriptions'), find('resourceGroups')];
  // Namespace, then type and name in turn; a list of details ends with its type.
  const names = providers
    .map((text) => text.split('/').slice(1))
    .map((own) =>
      own.filter((_, i) => i % 2 === 1 || (i === own.length - 1 && i % 2 === 0)).join('/'),
    );
  const name =
    names.join(' \u203a ') ||
    group ||
    (subscription && subscriptionName(subscription)) ||
    String(id ?? '');
  return { name, group, subscription };
}

export function sourceText(source) {
  const [, table, subscription] = /^arg:(.*)\|(.*)$/.exec(source) ?? [];
  if (table) return `Resource Graph, ${table}, ${subscriptionName(subscription)}`;
  return source === 'arm:subscriptions'
    ? 'the list of subscriptions'
    : String(source ?? '').replace(/^detail:/, '');
}

/** What is worth a reader's time first: severe, then many. */
export function byWeight(x, y) {
  return (
    kSeverities.indexOf(x.severity) - kSeverities.indexOf(y.severity) ||
    (y.counts?.NonCompliant ?? 0) - (x.counts?.NonCompliant ?? 0)
  );
}
