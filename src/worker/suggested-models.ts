// Checkpoints of the Hub that are worth a try, from quick to strong. Sizes and licences are those that their
// pages on the Hub state; how much work a step is follows from their shape, in multiples of the embedded
// model's step.
import { branchWork } from '../dmlora/targets.ts';
import { recipeDefaults } from '../recipe/recipe.ts';
import { stepFlops } from '../vit/step-flops.ts';
import { originalVit, type VitConfig } from '../vit/vit-config.ts';
import type { SuggestedModel } from './protocol.ts';

type Shape = Pick<VitConfig, 'imageSize' | 'patchSize' | 'dim' | 'depth' | 'heads'>;

/** The embedded model, public/models/graft-sprout-64. */
export const embeddedShape: Shape = { imageSize: 64, patchSize: 8, dim: 192, depth: 6, heads: 3 };

const tiny = { dim: 192, depth: 12, heads: 3 } as const;
const small = { dim: 384, depth: 12, heads: 6 } as const;
const base = { dim: 768, depth: 12, heads: 12 } as const;
const p16 = { imageSize: 224, patchSize: 16 } as const;
const p14 = { imageSize: 224, patchSize: 14 } as const;

type Listed = Omit<SuggestedModel, 'work' | 'imageSize'> & { readonly shape: Shape };

const listed: readonly Listed[] = [
  {
    id: 'timm/deit_tiny_patch16_224.fb_in1k',
    title: 'DeiT-Tiny',
    parameters: 5.72e6,
    bytes: 22.9e6,
    licence: 'Apache-2.0',
    shape: { ...p16, ...tiny },
    goodFor: 'The best first step up: photographs of any kind, still quick on a laptop GPU.',
  },
  {
    id: 'timm/deit_small_patch16_224.fb_in1k',
    title: 'DeiT-Small',
    parameters: 22.1e6,
    bytes: 88.2e6,
    licence: 'Apache-2.0',
    shape: { ...p16, ...small },
    goodFor: 'Classes that look alike, such as species or cell types.',
  },
  {
    id: 'timm/vit_small_patch16_224.augreg_in21k',
    title: 'ViT-Small, ImageNet-21k',
    parameters: 30.1e6,
    bytes: 120e6,
    licence: 'Apache-2.0',
    shape: { ...p16, ...small },
    goodFor: 'Plants, animals and everyday things: it has seen many more kinds of images.',
  },
  {
    id: 'facebook/dinov2-small',
    title: 'DINOv2-Small',
    parameters: 22.1e6,
    bytes: 88.2e6,
    licence: 'Apache-2.0',
    shape: { ...p14, ...small },
    goodFor: 'Few images a class, and pictures unlike photographs: it learned without labels.',
  },
  {
    id: 'facebook/dinov2-with-registers-small',
    title: 'DINOv2-Small with registers',
    parameters: 22.1e6,
    bytes: 88.3e6,
    licence: 'Apache-2.0',
    shape: { ...p14, ...small },
    goodFor: 'As DINOv2, with cleaner attention maps: for small things in large pictures.',
  },
  {
    id: 'google/vit-base-patch16-224-in21k',
    title: 'ViT-Base, ImageNet-21k',
    parameters: 86.4e6,
    bytes: 346e6,
    licence: 'Apache-2.0',
    shape: { ...p16, ...base },
    goodFor: 'The model of most published comparisons; wants a GPU with several gigabytes.',
  },
  {
    id: 'timm/vit_base_patch32_clip_224.openai_ft_in1k',
    title: 'CLIP ViT-B/32',
    parameters: 88.2e6,
    bytes: 353e6,
    licence: 'Apache-2.0',
    shape: { imageSize: 224, patchSize: 32, ...base },
    goodFor: 'Pictures from the web, drawings, signs; large patches make it quick for its size.',
  },
  {
    id: 'google/siglip-base-patch16-224',
    title: 'SigLIP base, vision tower',
    parameters: 92.9e6,
    bytes: 813e6,
    licence: 'Apache-2.0',
    shape: { ...p16, ...base },
    goodFor: 'Products, scenes, anything that captions speak of. The file holds its text half too.',
  },
];

/** Floating-point operations of a training step on one image, ten classes, the default branches. */
function workOf(shape: Shape): number {
  const config: VitConfig = { ...originalVit, ...shape, mlpDim: 4 * shape.dim, layerNormEps: 1e-6 };
  const { forward, backward } = stepFlops(config, 10, branchWork(recipeDefaults));
  return forward + backward;
}

export function suggestedModels(): readonly SuggestedModel[] {
  const embedded = workOf(embeddedShape);
  return listed.map(({ shape, ...model }) => ({
    ...model,
    imageSize: shape.imageSize,
    work: workOf(shape) / embedded,
  }));
}
