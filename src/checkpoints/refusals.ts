// How a checkpoint is refused: a file that contradicts itself, and one that is no plain ViT.
import { fail, type Result } from '../shared/result.ts';

const expectedModel = 'a plain vision transformer';

export function contradiction(detail: string): Result<never> {
  return fail({ kind: 'bad-file', name: 'config.json', why: 'config-invalid', detail });
}

/** @param found what it is instead, in words */
export function otherModel(
  found: string,
  missing: readonly string[] = [],
  unexpected: readonly string[] = [],
): Result<never> {
  return fail({ kind: 'wrong-model', expected: expectedModel, found, missing, unexpected });
}
