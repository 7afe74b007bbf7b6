// What transformers' model types assume where config.json says nothing, and the class that a fine-tuned
// classifier of each belongs to. Read from the configuration classes of transformers 5.18; older versions
// have the same values.

export interface ModelType {
  readonly layerNormEps: number;
  readonly activation: string;
  readonly patchSize: number;
  /** `model_type` and class of the classifier. */
  readonly classifier: { readonly modelType: string; readonly architecture: string };
  /**
   * The `model_type` of the tower, where the numbers of the vision part lie in a `vision_config` of their
   * own.
   */
  readonly tower: string | null;
}

const vit: ModelType = {
  layerNormEps: 1e-12,
  activation: 'gelu',
  patchSize: 16,
  classifier: { modelType: 'vit', architecture: 'ViTForImageClassification' },
  tower: null,
};
const named = (modelType: string, architecture: string): ModelType['classifier'] => ({
  modelType,
  architecture: `${architecture}ForImageClassification`,
});
const clip: ModelType = {
  layerNormEps: 1e-5,
  activation: 'quick_gelu',
  patchSize: 32,
  classifier: named('clip', 'CLIP'),
  tower: 'clip_vision_model',
};
const siglip: ModelType = {
  layerNormEps: 1e-6,
  activation: 'gelu_pytorch_tanh',
  patchSize: 16,
  classifier: named('siglip', 'Siglip'),
  tower: 'siglip_vision_model',
};

const types = new Map<string, ModelType>([
  ['vit', vit],
  ['vit_mae', vit],
  ['deit', { ...vit, classifier: named('deit', 'DeiT') }],
  ['vit_msn', { ...vit, layerNormEps: 1e-6, classifier: named('vit_msn', 'ViTMSN') }],
  ['ijepa', { ...vit, patchSize: 14, classifier: named('ijepa', 'IJepa') }],
  ['dinov2', { ...vit, layerNormEps: 1e-6, patchSize: 14, classifier: named('dinov2', 'Dinov2') }],
  [
    'dinov2_with_registers',
    { ...vit, layerNormEps: 1e-6, classifier: named('dinov2_with_registers', 'Dinov2WithRegisters') },
  ],
  ['clip', clip],
  ['clip_vision_model', clip],
  ['siglip', siglip],
  ['siglip_vision_model', siglip],
]);

/** What a model type assumes; an unknown one is read as a ViT, and refused by its tensors if it is none. */
export function modelTypeOf(name: string): ModelType {
  return types.get(name) ?? vit;
}

/** Heads of every type when config.json does not say. */
export const defaultHeads = 12;
