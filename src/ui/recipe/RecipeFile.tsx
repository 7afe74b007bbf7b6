// The recipe as a JSON file: saved, and taken from one.
import { loadRecipe, recipeStore, useRecipe } from '../../state/recipe-store.ts';
import { Button } from '../parts/Button.tsx';
import { download } from '../parts/download.ts';
import { FaultBox } from '../parts/FaultBox.tsx';
import { FilePick } from '../parts/FilePick.tsx';
import styles from './RecipeCard.module.css';

function save(): void {
  const { recipe } = recipeStore.getState();
  if (recipe === null) return;
  download(new Blob([`${JSON.stringify(recipe, null, 2)}\n`], { type: 'application/json' }), 'recipe.json');
}

export function RecipeFile({ disabled }: { readonly disabled: boolean }) {
  const valid = useRecipe((state) => state.recipe !== null);
  const fault = useRecipe((state) => state.fault);
  return (
    <>
      <Button variant="quiet" icon="download" disabled={!valid} onClick={save}>
        Save recipe
      </Button>
      <FilePick
        variant="quiet"
        label="Load recipe"
        testId="pick-recipe"
        accept=".json,application/json"
        disabled={disabled}
        onFiles={([file]) => {
          if (file !== undefined) void loadRecipe(file.blob);
        }}
      />
      {fault !== null && (
        <div className={styles.fault}>
          <FaultBox fault={fault} onClose={() => recipeStore.setState({ fault: null })} />
        </div>
      )}
    </>
  );
}
