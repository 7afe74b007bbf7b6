// Push to the Hub, if the user wants: says exactly what will leave the machine before anything does. Off
// until it is opened; without a token nothing can be pressed.
import { useId, useState, type SyntheticEvent } from 'react';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { useExport } from '../../state/export-store.ts';
import { useHub } from '../../state/hub-store.ts';
import type { FormatExport } from '../../worker/protocol.ts';
import { formatTitles } from '../export/format-titles.ts';
import { TokenField } from '../model/HubAccount.tsx';
import { TransferLine } from '../model/TransferLine.tsx';
import { Button } from '../parts/Button.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { intoSight } from '../parts/into-sight.ts';
import { Switch } from '../parts/Switch.tsx';
import { countText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './PushToHub.module.css';

export function PushToHub() {
  const formats = useExport((state) => state.result?.formats) ?? [];
  const offered = formats.filter(({ refused, proof }) => refused === null && proof !== null);
  if (offered.length === 0) return null;
  return (
    <details className={styles.push} data-testid="push">
      <summary>Push to the Hugging Face Hub (optional)</summary>
      <PushForm offered={offered} />
    </details>
  );
}

function PushForm({ offered }: { readonly offered: readonly FormatExport[] }) {
  const id = useId();
  const [chosen, setChosen] = useState<string | null>(null);
  const written = offered.find(({ format }) => format === chosen) ?? offered[0];
  const [repository, setRepository] = useState('');
  const [visibility, setVisibility] = useState<'private' | 'public'>('private');
  const push = useHub((state) => state.push);
  const hasToken = useHub((state) => state.token.trim() !== '');
  const opening = useHub((state) => state.opening !== null);
  const trainer = useTrainer();
  const sending = push.kind === 'sending';
  const files = written?.files ?? [];
  const named = /^[^\s/]+\/[^\s/]+$/.test(repository.trim());
  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (written !== undefined && named && hasToken && !sending)
      void trainer.pushToHub(written.format, repository.trim(), visibility === 'private');
  }
  const total = files.reduce((sum, { blob }) => sum + blob.size, 0);
  return (
    <form className={styles.form} onSubmit={submit}>
      {offered.length > 1 && (
        <div className={styles.field}>
          <label htmlFor={`${id}-format`}>What is sent</label>
          <select
            id={`${id}-format`}
            className={styles.input}
            value={written?.format}
            onChange={({ currentTarget }) => setChosen(currentTarget.value)}
          >
            {offered.map(({ format }) => (
              <option key={format} value={format}>
                {formatTitles[format]}
              </option>
            ))}
          </select>
        </div>
      )}
      <p>
        This leaves your machine, and nothing else: {countText(files.length, 'file')}, {bytesInWords(total)}.
        Your images are not among them; <code>config.json</code> names your classes, and <code>run.json</code>{' '}
        holds the SHA-256 of each image: whoever has the same file can tell that it was used.
      </p>
      <ul className={styles.files} aria-label="Files that will be sent">
        {files.map(({ name, blob }) => (
          <li key={name}>
            <code>{name}</code> <span className={styles.soft}>{bytesInWords(blob.size)}</span>
          </li>
        ))}
      </ul>
      <div className={styles.fields}>
        <div className={styles.field}>
          <label htmlFor={id}>Repository</label>
          <input
            id={id}
            className={styles.input}
            value={repository}
            placeholder="your-name/your-model"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            data-testid="push-repository"
            aria-describedby={`${id}-help`}
            onChange={({ currentTarget }) => setRepository(currentTarget.value)}
          />
          <p id={`${id}-help`} className={styles.soft}>
            Made if it is missing; an existing one gets a new commit.
          </p>
        </div>
        <TokenField />
      </div>
      <div className={styles.actions}>
        <Switch
          label="Who may see a new repository"
          options={[
            { value: 'private', label: 'Private' },
            { value: 'public', label: 'Public' },
          ]}
          value={visibility}
          onChange={setVisibility}
        />
        <Button type="submit" disabled={!named || !hasToken || sending || opening} data-testid="push-send">
          Send these files
        </Button>
        {!hasToken && <span className={styles.soft}>It needs a token that may write.</span>}
      </div>
      {sending && <TransferLine fallback={`Sending to ${repository}`} />}
      {push.kind === 'failed' && <FaultBox fault={push.fault} />}
      {push.kind === 'done' && (
        <p ref={intoSight} role="status" data-testid="pushed">
          Sent:{' '}
          <a href={push.url} target="_blank" rel="noreferrer">
            {push.url}
          </a>
          , commit <code>{push.commit.slice(0, 7)}</code>.
        </p>
      )}
    </form>
  );
}
