// The settings of a run: the few that most people need in sight, the other groups of the table of options one
// click away.
import { memo, useState } from 'react';
import { groups, type Group } from '../../recipe/option-groups.ts';
import { methodOf, methods, withMethod } from '../../recipe/methods.ts';
import { optionOf, type Path } from '../../recipe/options.ts';
import { wordsOf } from '../../recipe/recipe-form.ts';
import { resetRecipe, setBackend, setLengthIn, showForm, useRecipe } from '../../state/recipe-store.ts';
import type { BackendChoice } from '../../worker/protocol.ts';
import { Button } from '../parts/Button.tsx';
import { Switch } from '../parts/Switch.tsx';
import { useControls } from '../use-controls.ts';
import { RecipeField } from './RecipeField.tsx';
import { RecipeFile } from './RecipeFile.tsx';
import styles from './RecipeCard.module.css';

const backends: readonly { readonly value: BackendChoice; readonly label: string }[] = [
  { value: 'auto', label: 'automatic' },
  { value: 'webgpu', label: 'WebGPU (graphics processor)' },
  { value: 'wasm', label: 'wasm (processor)' },
  { value: 'cpu', label: 'cpu (plain JavaScript, slowest)' },
];

function Fields({ paths }: { readonly paths: readonly Path[] }) {
  return (
    <div className={styles.fields}>
      {paths.map((path) => (
        <RecipeField key={path} path={path} />
      ))}
    </div>
  );
}

/** The fields of a group that are shown beside the values of now. */
function useShown(name: Group['name']): readonly Path[] {
  return useRecipe((state) => state.shown).filter((path) => optionOf(path).group === name);
}

/**
 * A group that opens by a click, and by itself where a field is wrong; corrected, it stays open under the
 * hand.
 */
function FoldedGroup({ group: { name, title, summary } }: { readonly group: Group }) {
  const [isOpen, setOpen] = useState(false);
  const shown = useShown(name);
  const form = useRecipe((state) => state.form);
  const wrong = useRecipe((state) => shown.some((path) => state.errors.has(path)));
  const words = summary((path) => {
    const found = shown.find((known) => known === path);
    return found === undefined ? null : wordsOf(form, found);
  });
  return (
    <details
      className={styles.group}
      open={isOpen || wrong}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>
        <span className={styles.groupTitle}>{title}</span> <span className={styles.soft}>{words}</span>
      </summary>
      <Fields paths={shown} />
    </details>
  );
}

function BackendSelect() {
  const backend = useRecipe((state) => state.backend);
  return (
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
  );
}

/** The method that the settings are, and others by their names; the linear probe is a part of every run. */
function MethodSelect({ disabled }: { readonly disabled: boolean }) {
  const form = useRecipe((state) => state.form);
  const shown = useRecipe((state) => state.shown);
  const current = methodOf(form, shown);
  return (
    <label className={styles.backend}>
      <span>Method</span>
      <select
        value={current?.name ?? ''}
        aria-label="Method"
        disabled={disabled}
        onChange={({ currentTarget }) => {
          const chosen = methods.find(({ name }) => name === currentTarget.value);
          if (chosen !== undefined) showForm(withMethod(form, chosen));
        }}
      >
        {current === null && <option value="">as set here</option>}
        {methods.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function Form({ open }: { readonly open: boolean }) {
  const lengthIn = useRecipe((state) => state.form.lengthIn);
  const inSight = useShown('length');
  const { edit } = useControls();
  return (
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
          value={lengthIn}
          options={[
            { value: 'epochs', label: 'epochs' },
            { value: 'steps', label: 'steps' },
          ]}
          onChange={setLengthIn}
        />
      </div>
      <Fields paths={inSight} />
      <div className={styles.groups}>
        {groups
          .filter(({ name }) => name !== 'length')
          .map((group) => (
            <FoldedGroup key={group.name} group={group} />
          ))}
      </div>
      <div className={styles.last}>
        <MethodSelect disabled={!edit} />
        <BackendSelect />
        <div className={styles.actions}>
          <Button variant="quiet" disabled={!edit} onClick={resetRecipe}>
            Reset to defaults
          </Button>
          <RecipeFile disabled={!edit} />
        </div>
      </div>
    </fieldset>
  );
}

/** Of many fields: rendered anew only for itself, not with the card around it, which follows the run. */
export const RecipeForm = memo(Form);
