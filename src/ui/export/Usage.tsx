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
  const [copied, setCopied] = useState(false);
  async function load(): Promise<void> {
    setCode(usageOf(await card.text()));
  }
  async function copy(text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  }
  return (
    <details onToggle={() => void load()}>
      <summary>How to use it</summary>
      {code !== null && (
        <div className={styles.usage}>
          <pre tabIndex={0} aria-label={`Code that loads ${title}`}>
            <code>{code}</code>
          </pre>
          <Button variant="quiet" onClick={() => void copy(code).catch(() => setCopied(false))}>
            {copied ? 'Copied' : 'Copy'}
          </Button>
        </div>
      )}
    </details>
  );
}
