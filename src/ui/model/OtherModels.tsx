// Models from the Hub: a field for any by its name, suggestions that open by one click, what is kept on this
// machine. What is asked for here is told here, how far it is and why it failed.
import { useState, type SyntheticEvent } from 'react';
import { hubStore, useHub } from '../../state/hub-store.ts';
import { useTrainer } from '../trainer-context.ts';
import { useControls } from '../use-controls.ts';
import { Button } from '../parts/Button.tsx';
import { Card } from '../parts/Card.tsx';
import { FaultBox } from '../parts/FaultBox.tsx';
import { CachedModels } from './CachedModels.tsx';
import { HubAccount } from './HubAccount.tsx';
import { SuggestedModels } from './SuggestedModels.tsx';
import { TransferLine } from './TransferLine.tsx';
import styles from './HubCard.module.css';

export default function OtherModels() {
  const opening = useHub((state) => state.opening);
  const fault = useHub((state) => state.fault);
  return (
    <Card title="Models from the Hub" id="other-models" aside="downloaded to this machine, once">
      <p className={styles.soft}>
        A click downloads a model’s weights and opens it; nothing of yours is sent. Of those below, the
        smaller ones learn fast, the larger ones see more.
      </p>
      <div className={styles.models}>
        {(opening !== null || fault !== null) && (
          <div className={styles.status}>
            {opening !== null && <TransferLine fallback={`Asking for ${opening}`} />}
            {fault !== null && <FaultBox fault={fault} onClose={() => hubStore.setState({ fault: null })} />}
          </div>
        )}
        <AnyModel />
        <HubAccount />
        <SuggestedModels />
        <CachedModels folder="models" />
      </div>
    </Card>
  );
}

function AnyModel() {
  const [model, setModel] = useState('');
  const opening = useHub((state) => state.opening);
  const { edit } = useControls();
  const trainer = useTrainer();
  function submit(event: SyntheticEvent): void {
    event.preventDefault();
    if (model.trim() !== '') void trainer.openHubModel(model.trim());
  }
  return (
    <form className={styles.any} onSubmit={submit}>
      <label className={styles.label}>
        By its name
        <input
          className={styles.input}
          value={model}
          placeholder="owner/name, or the address of its page"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          data-testid="hub-model"
          onChange={({ currentTarget }) => setModel(currentTarget.value)}
        />
      </label>
      <Button
        type="submit"
        icon="download"
        disabled={!edit || opening !== null || model.trim() === ''}
        data-testid="hub-open"
      >
        Open it
      </Button>
    </form>
  );
}
