// How a written format is loaded: the code of its own card, to be copied.
import { useState } from 'react';
import { Button } from '../parts/Button.tsx';
import styles from './ExportDialog.module.css';

/** The first piece of code below "## Use" of a model card; null where there is none. */
export function usageOf(card: string): string | null {
  const [, usage = ''] = card.split(/^## Use$/m);
  return /^```(?:python|js)\n([\s\S]*?)\n```$/m.exec(usage)?.[1] ?? null;
}

export function Usage({ card, title }: { readonly card: Blob; readonly title: string }) {
  const [code, setCode] = useState<string | null>(null);
  const [copied, setCopied] = useState<'no' | 'yes' | 'refused'>('no');
  async function load(): Promise<void> {
    setCode(usageOf(await card.text()));
  }
  async function copy(text: string): Promise<void> {
    // A browser may refuse, and offers no clipboard at all to a page without https.
    const done = await Promise.resolve()
      .then(() => navigator.clipboard.writeText(text))
      .then(
        () => true,
        () => false,
      );
    setCopied(done ? 'yes' : 'refused');
  }
  return (
    <details onToggle={() => void load()}>
      <summary>How to use it</summary>
      {code !== null && (
        <div className={styles.usage}>
          <div tabIndex={0} role="region" aria-label={`Code that loads ${title}`}>
            <pre>
              <code>{code}</code>
            </pre>
          </div>
          <Button variant="quiet" onClick={() => void copy(code)}>
            Copy
          </Button>
          <span role="status">
            {copied === 'yes'
              ? 'Copied.'
              : copied === 'refused'
                ? 'The browser does not let the page copy: select the code and copy it by hand.'
                : ''}
          </span>
        </div>
      )}
    </details>
  );
}
