// Two configurations side by side.
import { code, h } from './document.js';
import { plural } from './values.js';

const kContext = 3; // unchanged lines around a difference
const kMaxCells = 4_000_000; // of the table that aligns two versions

/** Lines of two texts side by side, as `[old, new]`; a null side has nothing there. */
function alignLines(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (
    tail < before.length - head &&
    tail < after.length - head &&
    before.at(-1 - tail) === after.at(-1 - tail)
  )
    tail += 1;
  const olds = before.slice(head, before.length - tail);
  const news = after.slice(head, after.length - tail);
  const pairs = before.slice(0, head).map((line) => [line, line]);
  const width = news.length + 1;
  // Beyond the bound the whole middle counts as replaced.
  const common =
    olds.length * news.length > kMaxCells ? null : new Uint32Array((olds.length + 1) * width);
  for (let i = olds.length - 1; common && i >= 0; i -= 1) {
    for (let j = news.length - 1; j >= 0; j -= 1) {
      common[i * width + j] =
        olds[i] === news[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  let [gone, come] = [[], []];
  const flush = () => {
    for (let k = 0; k < Math.max(gone.length, come.length); k += 1)
      pairs.push([gone[k] ?? null, come[k] ?? null]);
    [gone, come] = [[], []];
  };
  let [i, j] = [0, 0];
  while (i < olds.length || j < news.length) {
    if (common && i < olds.length && j < news.length && olds[i] === news[j]) {
      flush();
      pairs.push([olds[i], news[j]]);
      i += 1;
      j += 1;
    } else if (
      j >= news.length ||
      (i < olds.length && (!common || common[(i + 1) * width + j] >= common[i * width + j + 1]))
    ) {
      gone.push(olds[i]);
      i += 1;
    } else {
      come.push(news[j]);
      j += 1;
    }
  }
  flush();
  return [...pairs, ...before.slice(before.length - tail).map((line) => [line, line])];
}

export const differingText = (differing) =>
  differing === 0
    ? 'The two versions are the same.'
    : `${plural(differing, 'line')} ${differing === 1 ? 'differs' : 'differ'}`;

/** Of two configurations, `null` where there is none: how many lines differ, and a table of them. */
export function sideBySide(configurations, heads) {
  const [before, after] = configurations.map((value) =>
    value === null ? [] : JSON.stringify(value, null, 2).split('\n'),
  );
  const pairs = alignLines(before, after);
  const changed = pairs.map(([x, y]) => x !== y);
  const near = pairs.map((_, i) =>
    changed.slice(Math.max(0, i - kContext), i + kContext + 1).some(Boolean),
  );
  const side = (line, other, tag) =>
    line === null
      ? h('td', { role: 'cell', class: 'void' })
      : h(
          'td',
          { role: 'cell', class: line === other ? null : tag },
          line === other ? code(line) : h(tag, null, h('code', null, line)),
        );
  const rows = [];
  for (let i = 0; i < pairs.length; i += 1) {
    if (near[i]) {
      const [x, y] = pairs[i];
      rows.push(
        h(
          'tr',
          { role: 'row', class: changed[i] ? 'differs' : null },
          side(x, y, 'del'),
          side(y, x, 'ins'),
        ),
      );
    } else if (i === 0 || near[i - 1]) {
      const until = near.indexOf(true, i);
      rows.push(
        h(
          'tr.skipped',
          { role: 'row' },
          h(
            'td',
            { role: 'cell', colspan: '2' },
            `${plural((until < 0 ? pairs.length : until) - i, 'line')} the same`,
          ),
        ),
      );
    }
  }
  const differing = changed.filter(Boolean).length;
  const lines =
    differing > 0 &&
    h(
      'table.diff',
      { role: 'table' },
      h('caption.hide', null, 'Difference'),
      h(
        'thead',
        { role: 'rowgroup' },
        h(
          'tr',
          { role: 'row' },
          heads.map((head) => h('th', { scope: 'col', role: 'columnheader' }, head)),
        ),
      ),
      h('tbody', { role: 'rowgroup' }, rows),
    );
  return { differing, lines };
}
