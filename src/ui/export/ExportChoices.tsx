// What to write: the formats with their sizes, the generation of transformers' names, the type of the
// weights.
import type { ReactNode } from 'react';
import { recipeWithoutLora, tunedName } from '../../recipe/what-learns.ts';
import { bytesInWords } from '../../shared/bytes-in-words.ts';
import { tunedParameters } from '../../state/plan-preview.ts';
import { exportBytes } from '../../state/export-sizes.ts';
import { choose, useExport } from '../../state/export-store.ts';
import { useData } from '../../state/data-store.ts';
import { useModel } from '../../state/model-store.ts';
import { useRun } from '../../state/run-store.ts';
import type { DataSummary, ExportDtype, ExportFormat } from '../../worker/protocol.ts';
import { Switch } from '../parts/Switch.tsx';
import styles from './ExportDialog.module.css';

/** About how many bytes a format takes, as words; nothing where the page knows too little. */
function useSize(): (format: ExportFormat) => string {
  const model = useModel((state) => state.model);
  const summary = useRun((state) => state.summary);
  const modules = useRun((state) => state.modules);
  const dtype = useExport((state) => state.choice.dtype);
  if (model === null || summary === null) return () => '';
  const { rank } = summary.recipe.dmlora;
  const tuned = tunedParameters(model.config, summary.recipe);
  const classes = summary.classes.length;
  return (format) =>
    `about ${bytesInWords(exportBytes(format, dtype, model, modules, rank, classes, tuned))}`;
}

interface FormatProps {
  readonly name: 'hf' | 'timm' | 'peft' | 'onnx' | 'onnx-q8' | 'onnx-q4';
  readonly title: string;
  readonly size: string;
  readonly disabled: boolean;
  /** Why the run cannot be written so, as a sentence. */
  readonly why?: string | null;
  readonly children: ReactNode;
}

function Format({ name, title, size, disabled, why = null, children }: FormatProps) {
  const checked = useExport((state) => state.choice[name]);
  return (
    <div className={styles.format}>
      <label className={styles.option}>
        <input
          type="checkbox"
          checked={checked && why === null}
          disabled={disabled || why !== null}
          onChange={(event) => choose({ [name]: event.target.checked })}
        />
        <span className={styles.name}>{title}</span>
        {why === null && <span className={styles.soft}>{size}</span>}
      </label>
      <div className={styles.about}>
        {children}
        {why !== null && <p>Not for this run. {why}</p>}
      </div>
    </div>
  );
}

const types: readonly { readonly value: ExportDtype; readonly label: string }[] = [
  { value: 'source', label: 'As the source' },
  { value: 'F32', label: 'float32' },
  { value: 'F16', label: 'float16' },
  { value: 'BF16', label: 'bfloat16' },
];

const none: DataSummary['pixels'] = [];

export function ExportChoices({ disabled }: { readonly disabled: boolean }) {
  const { names, dtype, tempered } = useExport((state) => state.choice);
  const size = useSize();
  const pixels = useData((state) => state.data?.pixels ?? none);
  const noLora = useRun(({ summary }) => recipeWithoutLora(summary?.recipe));
  const beside = useRun(({ summary }) => (summary === null ? null : tunedName(summary.recipe)));
  const isLearned = useRun(({ result }) => result?.learnedValidation === true);
  return (
    <>
      <details className={styles.which}>
        <summary>Which do I need?</summary>
        <ul>
          <li>
            <strong>Not sure, or Python with transformers</strong>: Hugging Face. It is chosen already, and
            can be opened here again.
          </li>
          <li>
            <strong>Code that uses timm</strong>: timm.
          </li>
          <li>
            <strong>A web page, or any other language</strong>: ONNX; where the download counts, ONNX in 8
            bits.
          </li>
          <li>
            <strong>Many trainings of one original</strong>: PEFT adapter. It is a small file, and needs the
            original beside it.
          </li>
        </ul>
        <p className={styles.soft}>Each comes with the lines of code that load it.</p>
      </details>
      <fieldset className={styles.formats}>
        <legend className={styles.legend}>Formats, each in a folder of its own</legend>
        <Format name="hf" title="Hugging Face" size={size('hf')} disabled={disabled}>
          <p>The fine-tuned model for transformers.</p>
          <Switch
            label="Names of the tensors"
            value={names}
            disabled={disabled}
            options={[
              { value: 'hf', label: 'Usual names' },
              { value: 'hf-v5', label: 'Names of transformers 5' },
            ]}
            onChange={(value) => choose({ names: value })}
          />
        </Format>
        <Format name="timm" title="timm" size={size('timm')} disabled={disabled}>
          <p>The fine-tuned model for timm, with its preprocessing.</p>
        </Format>
        <Format name="peft" title="PEFT adapter" size={size('peft')} disabled={disabled} why={noLora}>
          <p>
            {beside === null || noLora !== null
              ? 'The branches alone'
              : `The branches, with the tuned ${beside},`}{' '}
            as a stock LoRA, for use with the original model.
          </p>
        </Format>
        <Format name="onnx" title="ONNX" size={size('onnx')} disabled={disabled}>
          <p>
            The fine-tuned model as a graph, for transformers.js and onnxruntime.
            {dtype === 'BF16' && ' ONNX stays float32: its runtimes know no bfloat16.'}
          </p>
          <p className={styles.soft}>
            transformers.js prepares pictures in its own way: under Node it takes single pixels of a large
            one, and answers otherwise. The folder holds pixels.mjs, which prepares them as here; its card
            shows how.
          </p>
        </Format>
        <Format name="onnx-q8" title="ONNX, 8 bits" size={size('onnx-q8')} disabled={disabled}>
          <p>
            The same graph with 8-bit products, <code>q8</code> in transformers.js: small, and the quickest on
            processors. What it costs in answers is measured before it is offered, which takes longer than for
            the others.
          </p>
        </Format>
        <Format name="onnx-q4" title="ONNX, 4 bits" size={size('onnx-q4')} disabled={disabled}>
          <p>
            4-bit weights, <code>q4</code> in transformers.js: the smallest download. It costs more than 8
            bits, and is refused where more than 5 of 100 answers change.
          </p>
        </Format>
      </fieldset>
      <div className={styles.row}>
        <span className={styles.legend} aria-hidden="true">
          Type of the weights
        </span>
        <Switch
          label="Type of the weights"
          value={dtype}
          options={types}
          disabled={disabled}
          onChange={(value) => choose({ dtype: value })}
        />
      </div>
      <div className={styles.format}>
        <label className={styles.option}>
          <input
            type="checkbox"
            checked={tempered && !isLearned}
            disabled={disabled || isLearned}
            onChange={(event) => choose({ tempered: event.target.checked })}
          />
          <span className={styles.name}>Calibrated probabilities</span>
        </label>
        <div className={styles.about}>
          <p>
            “80 % sure” is then right about 80 times in 100: the head is divided by the temperature that fits
            the validation images best. No answer changes. For whoever shows the probabilities or draws a line
            at one.
            {isLearned &&
              ' Not for this run: it learned the validation images as well, so none are left to fit it on.'}
          </p>
        </div>
      </div>
      {pixels.length > 0 && (
        <details className={styles.pixels} data-testid="export-pixels" open>
          <summary>Other tools see some of these images otherwise</summary>
          <ul>
            {pixels.map(({ kind, text }) => (
              <li key={kind}>{text}</li>
            ))}
          </ul>
          <p>Every card says so, with the code that reads such images as here.</p>
        </details>
      )}
    </>
  );
}
