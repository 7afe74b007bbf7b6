// JSON of an unknown hand, as text: looked at before it is parsed, since megabytes of brackets hold a thread up
// for seconds, or end it. What is too large or too deep is said in a sentence.
import { bytesInWords } from './bytes-in-words.ts';
import { fail, ok, type Result } from './result.ts';

/** More than any description of a model has: that of 22,000 classes has 2 MB. */
export const mostJsonBytes = 8_000_000;
/** Brackets within brackets; a description has three or four. */
const mostDepth = 64;

const tooLarge = (bytes: number, most: number): Result<never, string> =>
  fail(`It has ${bytesInWords(bytes)}, and no file of its kind has more than ${bytesInWords(most)}.`);

/** The text of a JSON file; nothing is read of one that is larger than any such file. */
export async function jsonTextOf(file: Blob, most = mostJsonBytes): Promise<Result<string, string>> {
  if (file.size > most) return tooLarge(file.size, most);
  try {
    return ok(await file.text());
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : 'unknown error';
    return fail(`It cannot be read (${name}): was it moved or changed?`);
  }
}

/** What JSON text says, or why it cannot be taken. */
export function parseJsonText(text: string, most = mostJsonBytes): Result<unknown, string> {
  if (text.length > most) return tooLarge(text.length, most);
  if (isDeep(text)) return fail(`Its brackets are nested more than ${mostDepth} deep.`);
  try {
    return ok(JSON.parse(text) as unknown);
  } catch (thrown) {
    return fail(`It is not JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}.`);
  }
}

/** Counts brackets outside of strings. */
function isDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isInString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > mostDepth) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
