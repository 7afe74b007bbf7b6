// XML as labelling tools write it, read by its rules as far as they need: elements, text, references, CDATA,
// comments. Namespaces and declarations of entities are not read.

export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** What stands in it outside of its elements. */
  readonly text: string;
}

/** Elements within elements; annotations have four or five. */
const mostDepth = 64;

interface Open {
  readonly name: string;
  readonly children: Open[];
  text: string;
}

/** What is passed over, by how it begins and ends. */
const passed = [
  ['<!--', '-->'],
  ['<?', '?>'],
  ['<!', '>'],
] as const;

/** The outermost element of a text; null where it is no XML, is cut off or nests too deep. */
export function readXml(text: string): XmlElement | null {
  const root: Open = { name: '', children: [], text: '' };
  const open = [root];
  let at = 0;
  const until = (end: string, from: number): number => {
    const found = text.indexOf(end, from);
    return found < 0 ? Infinity : found;
  };
  while (at < text.length) {
    const inner = open.at(-1) ?? root;
    const tag = until('<', at);
    inner.text += decoded(text.slice(at, tag));
    if (tag === Infinity) break;
    const skip = passed.find(([begin]) => text.startsWith(begin, tag));
    if (text.startsWith('<![CDATA[', tag)) {
      const end = until(']]>', tag);
      inner.text += text.slice(tag + 9, end);
      at = end + 3;
    } else if (skip !== undefined) at = until(skip[1], tag + skip[0].length) + skip[1].length;
    else {
      const end = tagEnd(text, tag);
      const name = /^<\/?([^\s/>]+)/.exec(text.slice(tag, Math.min(end, tag + 200)))?.[1];
      if (end === Infinity || name === undefined) return null;
      if (text[tag + 1] === '/') {
        if (inner === root || inner.name !== name) return null;
        open.pop();
      } else {
        const element: Open = { name, children: [], text: '' };
        inner.children.push(element);
        if (text[end - 1] !== '/') open.push(element);
        if (open.length > mostDepth) return null;
      }
      at = end + 1;
    }
  }
  return open.length === 1 ? (root.children[0] ?? null) : null;
}

/** Where a tag closes: at the first '>' outside of its attributes' values. */
function tagEnd(text: string, begin: number): number {
  let quote = '';
  for (let at = begin; at < text.length; at++) {
    const char = text.charAt(at);
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return at;
  }
  return Infinity;
}

const entities = new Map(Object.entries({ lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }));

/** Text with its references read; what is none stays as it is. */
const decoded = (text: string): string =>
  text.replace(
    /&(?:#x([\da-f]{1,6})|#(\d{1,7})|(\w{2,4}));/gi,
    (all, hex?: string, number?: string, name?: string) => {
      if (name !== undefined) return entities.get(name) ?? all;
      const point = hex === undefined ? Number(number) : parseInt(hex, 16);
      return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : all;
    },
  );

/** The first element of a name directly in another; null for none. */
export const childOf = (element: XmlElement | null, name: string): XmlElement | null =>
  element?.children.find((child) => child.name === name) ?? null;

/** What stands in the first element of a name directly in another, trimmed; '' for none. */
export const textIn = (element: XmlElement | null, name: string): string =>
  childOf(element, name)?.text.trim() ?? '';
