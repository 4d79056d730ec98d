// Health of the collection.
import { api, apiList, kTimeoutMs } from '../lib/api.js';
import { a, aside, card, def, gap, h, h2, ident, kNone, para } from '../lib/document.js';
import {
  ago,
  completeness,
  empty,
  heading,
  limited,
  link,
  reasonText,
  section,
  table,
} from '../lib/pieces.js';
import { app } from '../lib/state.js';
import { count, duration, isNumber, list, plural, size, sourceText } from '../lib/values.js';
import { cycleTable } from './history.js';

/** Samples of a family, as `[labels, value]`; the exposition format as the daemon writes it. */
function samples(text, family) {
  const out = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith(family) || !'{ '.includes(line[family.length])) continue;
    const labels = Object.fromEntries(
      [...line.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]),
    );
    out.push([labels, Number(line.slice(line.lastIndexOf(' ') + 1))]);
  }
  return out;
}

async function plain(path, signal) {
  const response = await fetch(path, {
    cache: 'no-cache',
    signal: AbortSignal.any([signal, AbortSignal.timeout(kTimeoutMs)]),
  });
  return { status: response.status, text: await response.text() };
}

function missingEvidence(status) {
  const groups = new Map();
  for (const item of list(status.evidence_missing)) {
    const key = `${item.reason}\n${item.message}`;
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  if (groups.size === 0)
    return section(
      'Missing evidence',
      null,
      empty(
        status.cycle
          ? 'Every source that was asked has answered in full.'
          : 'Nothing has been asked yet.',
      ),
    );
  const rows = [...groups].map(([key, items]) => [
    key,
    items.length === 1
      ? ident(sourceText(items[0].source))
      : h(
          'details',
          null,
          h('summary', null, plural(items.length, 'source')),
          h(
            'ul.id',
            null,
            items.slice(0, 200).map((item) => h('li', null, sourceText(item.source))),
            items.length > 200 && h('li', null, 'and more'),
          ),
        ),
    reasonText(items[0].reason || kNone),
    h(
      'span',
      { title: items[0].message },
      String(items[0].message ?? '').replace(/^https?:\/\/\S+: /, ''),
    ),
    ago(
      items
        .map((item) => item.observed_at)
        .sort()
        .at(-1),
    ),
  ]);
  return section(
    'Missing evidence',
    'What could not be read. It makes nothing compliant, non-compliant or deleted.',
    limited('missing', rows, 20, (some) =>
      table('Missing evidence', ['Source', 'Reason', 'Message', 'Last asked'], some),
    ),
  );
}

function outboxTables(outbox) {
  const sinks = list(outbox.sinks);
  if (sinks.length === 0) return [];
  const letters = list(outbox.dead_letters);
  return [
    section(
      'Notifications',
      'Since the daemon started; what is not taken is offered again.',
      table(
        'Notifications',
        ['Receiver', 'Where', 'Delivered|num', 'Failed|num', 'Pending|num', 'Last error'],
        sinks.map((sink) => [
          sink.name,
          ident(sink.name),
          sink.target,
          count(sink.delivered),
          count(sink.failed),
          sink.pending > 0 ? gap(count(sink.pending)) : count(0),
          sink.last_error ? [gap(sink.last_error), ' ', ago(sink.last_error_at)] : kNone,
        ]),
      ),
    ),
    letters.length > 0 &&
      section(
        'Dead letters',
        'What a receiver did not take and is not offered again.',
        limited('dead letters', letters.map((letter) => [
          letter.id,
          ident(letter.event),
          letter.sink,
          letter.error,
          ago(letter.at),
        ]), 20, (some) =>
          table('Dead letters', ['Event', 'Receiver', 'Error', 'Given up'], some),
        ),
      ),
  ];
}

const kHealthCycles = 10;

export const health = {
  title: () => 'Health',
  async load(route, signal) {
    const absent = () => null; // metrics and probes may be kept from a reader of the page
    const [cycles, outbox, metrics, healthy] = await Promise.all([
      apiList('cycles', { limit: kHealthCycles }, signal),
      api('outbox', { limit: 100 }, signal),
      plain('metrics', signal).catch(absent),
      plain('-/healthy', signal).catch(absent),
    ]);
    return { cycles, outbox, metrics: metrics?.status === 200 ? metrics.text : null, healthy };
  },
  draw({ cycles, outbox, metrics, healthy }) {
    const { status } = app;
    const subscriptions = list(status?.subscriptions);
    const quotas = metrics === null ? [] : samples(metrics, 'plumbline_azure_quota_remaining');
    const requests = metrics === null ? [] : samples(metrics, 'plumbline_azure_requests_total');
    const tokens =
      metrics === null ? [] : samples(metrics, 'plumbline_token_expiry_timestamp_seconds');
    const services = [
      ...new Set([...requests, ...quotas].map(([labels]) => labels.service)),
    ].sort();
    const sum = (items, service, fits = () => true) =>
      items
        .filter(([labels]) => labels.service === service && fits(labels))
        .reduce((all, [, n]) => all + n, 0);
    const failed = (code) => !/^[23]/.test(code);
    return [
      heading(
        'Health',
        aside('Whether what the other pages show was collected in full, and when.'),
      ),
      h(
        'div.thirds',
        null,
        card(
          h2('Daemon'),
          h(
            'dl',
            null,
            def(
              'Threads',
              !healthy ? 'not known' : healthy.status === 200 ? 'all answer' : gap(healthy.text),
            ),
            def('State', status?.ready === false ? gap('not served yet') : 'served'),
            def('Version', status?.version),
            def(
              'Store',
              isNumber(status?.storage_bytes) ? size.format(status.storage_bytes) : kNone,
            ),
            def('Resources', count(status?.resources)),
          ),
        ),
        card(
          h2('Sign-in'),
          status?.sign_in_error
            ? h('p', null, gap('Azure cannot be asked: '), status.sign_in_error)
            : para('Azure accepts the identity.'),
          tokens.length > 0 &&
            h(
              'dl',
              null,
              tokens.map(([labels, seconds]) =>
                def(labels.audience, 'token expires ', ago(new Date(seconds * 1000))),
              ),
            ),
        ),
        card(
          h2('Last cycle'),
          !status?.cycle
            ? para('None has been committed yet.')
            : h(
                'dl',
                null,
                def('Number', count(status.cycle.number)),
                def('Committed', ago(status.cycle.committed_at)),
                def('Kind', status.cycle.kind),
                def('Result', completeness(status.cycle)),
                def(
                  'Called stale',
                  isNumber(app.staleAfterMs) ? `after ${duration(app.staleAfterMs)}` : kNone,
                ),
              ),
        ),
      ),
      missingEvidence(status ?? {}),
      section(
        'Subscriptions',
        null,
        subscriptions.length === 0
          ? empty('The identity sees no subscription.')
          : table(
              'Subscriptions',
              ['Subscription', 'Id', 'Readable'],
              [...subscriptions]
                .sort((x, y) => Number(x.readable) - Number(y.readable))
                .map((s) => [
                  s.id,
                  s.name || s.id,
                  ident(s.id),
                  s.readable === false ? gap('cannot be read') : 'yes',
                ]),
            ),
      ),
      section(
        'Requests to Azure',
        'Since the daemon started.',
        services.length === 0
          ? empty('The metrics do not tell.')
          : table(
              'Requests to Azure',
              ['Service', 'Requests|num', 'Failed|num', 'Throttled|num', 'Quota left|num'],
              services.map((service) => [
                service,
                service.replaceAll('_', ' '),
                count(sum(requests, service)),
                count(sum(requests, service, (l) => failed(l.code))),
                count(sum(requests, service, (l) => l.code === '429')),
                quotas.some(([l]) => l.service === service) ? count(sum(quotas, service)) : kNone,
              ]),
            ),
      ),
      ...outboxTables(outbox),
      section(
        'Recent cycles',
        a(link(['history'], { show: 'cycles' }), 'All cycles'),
        cycles.length === 0 ? empty('No cycle has been committed yet.') : cycleTable(cycles),
      ),
    ];
  },
};
