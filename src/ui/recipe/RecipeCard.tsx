// The recipe: the few settings most people need in sight, the branches and the rest one click away.
import { useState } from 'react';
import { resetRecipe, setBackend, setField, useRecipe } from '../../state/recipe-store.ts';
import type { FieldName } from '../../state/recipe-fields.ts';
import type { BackendChoice } from '../../worker/protocol.ts';
import { useRun } from '../../state/run-store.ts';
import { useControls } from '../use-controls.ts';
import { useLength } from '../use-length.ts';
import { useResplit } from './use-resplit.ts';
import { Card } from '../parts/Card.tsx';
import { ProgressLine } from '../parts/ProgressLine.tsx';
import { Switch } from '../parts/Switch.tsx';
import { Button } from '../parts/Button.tsx';
import { countText, wholeText } from '../parts/words.ts';
import { RecipeField } from './RecipeField.tsx';
import { RecipeFile } from './RecipeFile.tsx';
import styles from './RecipeCard.module.css';

const backends: readonly { readonly value: BackendChoice; readonly label: string }[] = [
  { value: 'auto', label: 'automatic' },
  { value: 'webgpu', label: 'WebGPU (graphics processor)' },
  { value: 'wasm', label: 'wasm (processor)' },
  { value: 'cpu', label: 'cpu (plain JavaScript, slowest)' },
];

function Fields({ names }: { readonly names: readonly FieldName[] }) {
  return (
    <div className={styles.fields}>
      {names.map((name) => (
        <RecipeField key={name} name={name} />
      ))}
    </div>
  );
}

function Group({ title, summary, names }: { title: string; summary: string; names: readonly FieldName[] }) {
  const wrong = useRecipe((state) => names.some((name) => state.errors.has(name)));
  return (
    <details className={styles.group} {...(wrong ? { open: true } : {})}>
      <summary>
        <span className={styles.groupTitle}>{title}</span> <span className={styles.soft}>{summary}</span>
      </summary>
      <Fields names={names} />
    </details>
  );
}

export function RecipeCard() {
  const form = useRecipe((state) => state.form);
  const backend = useRecipe((state) => state.backend);
  const length = useLength();
  const { edit } = useControls();
  const phase = useRun((state) => state.phase.kind);
  /** What the user chose in this phase; without a choice the settings fold away once a run begins. */
  const [choice, setChoice] = useState<{ readonly phase: string; readonly open: boolean } | null>(null);
  const open = choice?.phase === phase ? choice.open : phase === 'idle' || phase === 'failed';
  useResplit();
  if (form === null)
    return (
      <Card title="Recipe">
        <ProgressLine fallback="Starting the training thread" />
      </Card>
    );
  const drops = form.dropMode === 'none' ? 'all stay' : `${form.branches} → ${form.branchesEnd}`;
  return (
    <Card
      title="Recipe"
      aside={
        <span className={styles.aside}>
          {length !== null && (
            <span data-testid="total-steps" data-steps={length.steps}>
              {countText(length.steps, 'step')}, {wholeText(Math.ceil(length.stepsPerEpoch))} an epoch
            </span>
          )}
          <Button
            look="quiet"
            aria-expanded={open}
            aria-controls="recipe-settings"
            onClick={() => setChoice({ phase, open: !open })}
          >
            {open ? 'Hide settings' : 'Show settings'}
          </Button>
        </span>
      }
    >
      <fieldset
        id="recipe-settings"
        className={styles.form}
        hidden={!open}
        disabled={!edit}
        aria-label="Recipe settings"
      >
        <div className={styles.lengthRow}>
          <span className={styles.soft}>Length in</span>
          <Switch
            label="Length counted in"
            value={form.length === 'steps' ? 'steps' : 'epochs'}
            options={[
              { value: 'epochs', label: 'epochs' },
              { value: 'steps', label: 'steps' },
            ]}
            onChange={(value) => setField('length', value)}
          />
        </div>
        <Fields names={[form.length === 'steps' ? 'steps' : 'epochs', 'batch', 'learningRate', 'seed']} />
        <div className={styles.groups}>
          <Group
            title="Branches"
            summary={`${drops}, rank ${form.rank}`}
            names={
              form.dropMode === 'none'
                ? ['branches', 'rank', 'targets', 'firstBlock', 'dropMode', 'scalars', 'stage2']
                : [
                    'branches',
                    'branchesEnd',
                    'rank',
                    'targets',
                    'firstBlock',
                    'dropMode',
                    'scalars',
                    'dropBegin',
                    'dropEnd',
                    ...(form.scalars === 'off' ? [] : (['stage2'] as const)),
                  ]
            }
          />
          <Group
            title="Split"
            summary={`${form.validationFraction} % to validate`}
            names={['validationFraction', 'trainPerClass', 'validationPerClass']}
          />
          <Group
            title="Augmentation"
            summary={{ none: 'off', flip: 'mirror', 'crop+flip': 'crop and mirror' }[form.augment] ?? ''}
            names={form.augment === 'crop+flip' ? ['augment', 'smallestCrop'] : ['augment']}
          />
          <Group
            title="Memory"
            summary={form.memoryBudget === '' ? 'as the GPU allows' : `${form.memoryBudget} MB`}
            names={['memoryBudget', 'float16']}
          />
          <Group
            title="Optimiser"
            summary="AdamW, cosine"
            names={[
              'headStart',
              'headRate',
              'warmup',
              'learningRateFloor',
              'weightDecay',
              'clipNorm',
              'scalarRate',
              'scalarStart',
            ]}
          />
        </div>
        <div className={styles.last}>
          <label className={styles.backend}>
            <span>Compute on</span>
            <select
              value={backend}
              aria-label="Backend"
              onChange={({ currentTarget }) => {
                const chosen = backends.find(({ value }) => value === currentTarget.value);
                if (chosen !== undefined) setBackend(chosen.value);
              }}
            >
              {backends.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <div className={styles.actions}>
            <Button look="quiet" disabled={!edit} onClick={resetRecipe}>
              Reset to defaults
            </Button>
            <RecipeFile disabled={!edit} />
          </div>
        </div>
      </fieldset>
    </Card>
  );
}
