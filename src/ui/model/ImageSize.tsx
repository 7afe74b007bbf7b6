// The size of the images that reach the model: another than its own is a matter of its positions, which the
// worker interpolates; larger shows more detail and costs more time.
import type { ModelSummary } from '../../worker/protocol.ts';
import { useTrainer } from '../trainer-context.ts';
import styles from './ModelCard.module.css';

export function ImageSize({ model, disabled }: { model: ModelSummary; disabled: boolean }) {
  const trainer = useTrainer();
  const { imageSize, patchSize } = model.config;
  return (
    <label className={styles.size}>
      <span>Image size</span>
      <select
        value={imageSize}
        disabled={disabled}
        data-testid="image-size"
        onChange={({ currentTarget }) => void trainer.resizeModel(Number(currentTarget.value))}
      >
        {model.imageSizes.map((side) => (
          <option key={side} value={side}>
            {`${side} px, ${(side / patchSize) ** 2} patches`}
          </option>
        ))}
      </select>
    </label>
  );
}
