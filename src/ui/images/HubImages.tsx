// A data set of the Hub by its name: what it is made of and how much would be downloaded, before it is; and
// what is kept of data sets on this machine. How far the download is, is told where images are opened.
import { useState, type SyntheticEvent } from 'react';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { plainText } from '../../shared/plain-text.ts';
import { useData } from '../../state/data-store.ts';
import { hubStore, useHub } from '../../state/hub-store.ts';
import type { DataSetOffer } from '../../worker/protocol.ts';
import { CachedModels } from '../model/CachedModels.tsx';
import { HubAccount } from '../model/HubAccount.tsx';
import styles from '../model/HubCard.module.css';
import { TransferLine } from '../model/TransferLine.tsx';
import { Button } from '../parts/Button.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { countText } from '../parts/words.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';

function Offer({ offer }: { readonly offer: DataSetOffer }) {
  const { id, subset, files, bytes, missing, licence, notes } = offer;
  const { edit } = useControls();
  const opens = useData((state) => state.status === 'opening');
  const trainer = useTrainer();
  return (
    <div className={styles.status} data-testid="data-set-offer">
      <p>
        <strong>
          <bdi>{subset === null ? id : `${id}, ${plainText(subset, 120)}`}</bdi>
        </strong>
        : {countText(files, 'Parquet file')}, {bytesInWords(bytes)}
        {missing === 0
          ? ', on this machine'
          : missing < bytes
            ? `, ${bytesInWords(missing)} to go`
            : ''}.{' '}
        {licence === null
          ? 'Its licence is not named: see its page.'
          : `Licence: ${plainText(licence, 120)}.`}
      </p>
      {notes.map((note) => (
        <p key={note} className={styles.soft}>
          <bdi>{plainText(note, 400)}</bdi>
        </p>
      ))}
      <div className={styles.row}>
        <Button
          icon={missing === 0 ? 'file' : 'download'}
          disabled={!edit || opens}
          data-testid="data-set-open"
          onClick={() => void trainer.openDataSet()}
        >
          {missing === 0 ? 'Open it' : `Download ${bytesInWords(missing)} and open it`}
        </Button>
      </div>
    </div>
  );
}

export default function HubImages() {
  const [name, setName] = useState('');
  const asked = useHub((state) => state.dataSet);
  const trainer = useTrainer();
  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (name.trim() !== '') void trainer.askDataSet(name.trim());
  }
  return (
    <div className={styles.models}>
      <p className={styles.soft}>
        Its Parquet files are downloaded to this machine, once; nothing of yours is sent. How much that is, is
        said before.
      </p>
      <form className={styles.any} onSubmit={submit}>
        <label className={styles.label}>
          Name of the data set
          <input
            className={styles.input}
            value={name}
            placeholder="owner/name, or the address of its page"
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            data-testid="data-set"
            onChange={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
        <Button
          type="submit"
          disabled={asked.kind === 'asking' || name.trim() === ''}
          data-testid="data-set-ask"
        >
          Look it up
        </Button>
      </form>
      {asked.kind === 'asking' && <TransferLine fallback="Asking the Hub" />}
      {asked.kind === 'failed' && (
        <FaultBox fault={asked.fault} onClose={() => hubStore.setState({ dataSet: { kind: 'none' } })} />
      )}
      {asked.kind === 'offer' && <Offer offer={asked.offer} />}
      <HubAccount />
      <CachedModels folder="datasets" />
    </div>
  );
}
