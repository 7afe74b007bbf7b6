// Other people's words (labels, titles, answers of servers) as they may be shown among ours: on one line, of a
// length that leaves room for the rest, and without the marks by which a text is made to read backwards.

/** Arabic letter mark, left-to-right and right-to-left marks, embeddings, overrides, isolates. */
const directions = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** At most `most` characters of a text; the last is an ellipsis where there were more. */
export function plainText(text: string, most: number): string {
  // Of what is far too long only the beginning is looked at; a character has at most two units.
  const line = text
    .slice(0, 4 * most + 100)
    .replace(directions, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
  const characters = Array.from(line);
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join('')}…`;
}
