// One labelled field of the recipe with its explanation, and what is wrong with its value.
import { useId } from 'react';
import { fieldOf, type FieldName } from '../../state/recipe-fields.ts';
import { setField, useRecipe } from '../../state/recipe-store.ts';
import { cx } from '../parts/cx.ts';
import styles from './RecipeCard.module.css';

export function RecipeField({ name }: { readonly name: FieldName }) {
  const id = useId();
  const value = useRecipe((state) => state.form?.[name] ?? '');
  const error = useRecipe((state) => state.errors.get(name));
  const field = fieldOf(name);
  const describedBy = `${id}-help`;
  const unit = field.kind === 'number' ? (field.percent === true ? '%' : field.unit) : undefined;
  return (
    <div className={styles.field}>
      <label htmlFor={id} className={styles.label}>
        {field.label}
        {unit !== undefined && <span className={styles.unit}> in {unit}</span>}
      </label>
      {field.kind === 'choice' ? (
        <select
          id={id}
          value={value}
          aria-describedby={describedBy}
          aria-invalid={error !== undefined}
          onChange={({ currentTarget }) => setField(name, currentTarget.value)}
        >
          {field.options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          inputMode="decimal"
          autoComplete="off"
          value={value}
          placeholder={field.optional === true ? 'all' : undefined}
          aria-describedby={describedBy}
          aria-invalid={error !== undefined}
          onChange={({ currentTarget }) => setField(name, currentTarget.value)}
        />
      )}
      <p id={describedBy} className={cx(styles.help, error !== undefined && styles.error)}>
        {error ?? field.help}
      </p>
    </div>
  );
}
