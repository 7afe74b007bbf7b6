// The code that is offered to be copied is that of the card.
import { expect, test } from 'vitest';
import { usageOf } from './Usage.tsx';

test('the first code below "Use" is taken, and nothing where a card has none', () => {
  const card =
    '# A\n```python\nno\n```\n## Use\n\nwords\n\n```python\nimport a\n\nb = a()\n```\n```sh\nno\n```\n';
  expect(usageOf(card)).toBe('import a\n\nb = a()');
  expect(usageOf('# A\n```python\nno\n```\n')).toBeNull();
});
