// One labelled field of the recipe with its explanation, and what is wrong with its value.
import { memo, useId } from 'react';
import type { Option } from '../../recipe/option-kinds.ts';
import { optionOf, type Path } from '../../recipe/options.ts';
import { defaultEpochs } from '../../recipe/recipe.ts';
import { learnedSize, splitSize, useData } from '../../state/data-store.ts';
import { setField, useRecipe } from '../../state/recipe-store.ts';
import { cx } from '../parts/cx.ts';
import { countText } from '../parts/words.ts';
import styles from './RecipeCard.module.css';

/** What an empty field stands for, and the words below it: epochs follow from the images that are open. */
function useWords(path: Path): { readonly empty: string | undefined; readonly help: string } {
  const recipe = useRecipe((state) => state.recipe);
  const images = useData(({ data }) => {
    if (data === null) return 0;
    return recipe === null ? splitSize(data, 'train') : learnedSize(data, recipe);
  });
  const option = optionOf(path);
  if (path !== 'epochs' || images === 0)
    return { empty: option.kind === 'choice' ? undefined : option.empty, help: option.help };
  const epochs = String(defaultEpochs(images));
  const help = `Passes over the training images. Empty: ${epochs}, for ${countText(images, 'image')}.`;
  return { empty: epochs, help };
}

/** Letters that a field of one column shows. */
const shownLetters = 17;

/** Whether the words of a field want two columns. */
function isWide(option: Option): boolean {
  return option.kind === 'choice' && option.choices.some(([, label]) => label.length > shownLetters);
}

function Field({ path }: { readonly path: Path }) {
  const id = useId();
  const value = useRecipe((state) => state.form.texts.get(path) ?? '');
  const error = useRecipe((state) => state.errors.get(path));
  const { empty, help } = useWords(path);
  const option = optionOf(path);
  const describedBy = `${id}-help`;
  const unit = option.kind === 'number' ? (option.percent === true ? '%' : option.unit) : undefined;
  const offered = option.kind === 'number' ? option.offered : undefined;
  return (
    <div className={cx(styles.field, isWide(option) && styles.wide)}>
      <label htmlFor={id} className={styles.label}>
        {option.label}
        {unit !== undefined && <span className={styles.unit}> in {unit}</span>}
      </label>
      {option.kind === 'choice' ? (
        <select
          id={id}
          value={value}
          aria-describedby={describedBy}
          aria-invalid={error !== undefined}
          onChange={({ currentTarget }) => setField(path, currentTarget.value)}
        >
          {option.choices.map(([choice, label]) => (
            <option key={choice} value={choice}>
              {label}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          inputMode={option.kind === 'text' ? 'text' : 'decimal'}
          list={offered === undefined ? undefined : `${id}-offered`}
          autoComplete="off"
          value={value}
          placeholder={empty}
          aria-describedby={describedBy}
          aria-invalid={error !== undefined}
          onChange={({ currentTarget }) => setField(path, currentTarget.value)}
        />
      )}
      {offered !== undefined && (
        <datalist id={`${id}-offered`}>
          {offered.map((number) => (
            <option key={number} value={number} />
          ))}
        </datalist>
      )}
      <p id={describedBy} className={cx(styles.help, error !== undefined && styles.error)}>
        {error ?? help}
      </p>
    </div>
  );
}

/** Rendered anew where its own value is another, not with every letter that is typed beside it. */
export const RecipeField = memo(Field);
