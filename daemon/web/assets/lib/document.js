// Elements as values, and what turns the page into them.

const kSvg = 'http://www.w3.org/2000/svg';

/** Describes an element, `p.quiet` with its class; `null` and `false` children are left out. */
export function h(name, attrs, ...children) {
  const [tag, cls] = name.split('.');
  const kids = children
    .flat(Infinity)
    .filter((kid) => kid !== null && kid !== undefined && kid !== false && kid !== '')
    .map((kid) => (typeof kid === 'object' ? kid : String(kid)));
  return {
    tag,
    attrs: cls ? { ...attrs, class: [cls, attrs?.class].filter(Boolean).join(' ') } : (attrs ?? {}),
    kids,
  };
}

/** Makes `parent` show `kids`, changing only what differs: focus, scroll and selection last. */
function patch(parent, kids) {
  const wanted = new Set(kids.map((kid) => kid.attrs?.key));
  const keyed = new Map();
  for (const child of [...parent.childNodes]) {
    if (child.plKey === undefined) continue;
    if (wanted.has(child.plKey)) keyed.set(child.plKey, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const kid of kids) {
    if (typeof kid === 'string') {
      if (at?.nodeType === Node.TEXT_NODE) {
        if (at.nodeValue !== kid) at.nodeValue = kid;
        at = at.nextSibling;
      } else {
        parent.insertBefore(document.createTextNode(kid), at);
      }
      continue;
    }
    const { key } = kid.attrs;
    const fits = (node) => node?.localName === kid.tag && node.plKey === key;
    const known = key === undefined ? at : keyed.get(key);
    const node = fits(known) ? known : create(kid, parent);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
    update(node, kid);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function create(kid, parent) {
  const inSvg = kid.tag === 'svg' || parent.namespaceURI === kSvg;
  const node = inSvg ? document.createElementNS(kSvg, kid.tag) : document.createElement(kid.tag);
  node.plKey = kid.attrs.key;
  node.plAttrs = {};
  if (kid.attrs.opened) node.open = true; // only at first: afterwards it is the reader's
  return node;
}

function update(node, { attrs, kids }) {
  const before = node.plAttrs ?? {};
  for (const name of Object.keys(before)) {
    if (!(name in attrs) && !name.startsWith('on')) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attrs)) {
    if (name === 'key' || name === 'opened' || name === 'value') continue;
    if (name.startsWith('on')) node[name] = value;
    else if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else if (before[name] !== value) node.setAttribute(name, value);
  }
  node.plAttrs = attrs;
  patch(node, kids);
  if ('value' in attrs) {
    if (node.localName === 'option') node.value = attrs.value;
    else if (node !== document.activeElement && node.value !== attrs.value)
      node.value = attrs.value;
  }
}

export const a = (href, ...kids) => h('a', { href }, kids);
export const div = (...kids) => h('div', null, kids);
export const para = (...kids) => h('p', null, kids);
export const aside = (...kids) => h('p.quiet', null, kids);
export const bold = (...kids) => h('strong', null, kids);
export const code = (...kids) => h('code', null, kids);
export const sub = (...kids) => h('span.sub', null, kids);
export const kNone = '\u2013';
export const quiet = (...kids) => h('span.quiet', null, kids);
export const ident = (...kids) => h('span.id', null, kids);
export const gap = (...kids) => h('span.gap', null, kids);
export const card = (...kids) => h('section.card', null, kids);
export const more = (...kids) => h('p.more', null, kids);
export const button = (onclick, ...kids) => h('button', { type: 'button', onclick }, kids);
export const h2 = (text) => h('h2', null, text);
export const def = (term, ...kids) => [h('dt', null, term), h('dd', null, kids)];

export const byId = (id) => document.getElementById(id);

export function show(parent, kids) {
  const focused = document.activeElement;
  patch(parent, h('x', null, kids).kids);
  if (focused !== document.activeElement && focused?.isConnected)
    focused.focus({ preventScroll: true });
}
