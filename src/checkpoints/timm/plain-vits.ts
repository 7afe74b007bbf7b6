// The architectures that timm 1.0.29 registers for plain ViTs that Graft computes: a config.json that names
// one of them builds. Their numbers all stand in `model_args` of what is written; what no argument can take
// away is the layer scale.

/** With layer scale in their blocks. */
const withLayerScale = `
  deit3_base_patch16_224 deit3_base_patch16_384 deit3_huge_patch14_224 deit3_large_patch16_224
  deit3_large_patch16_384 deit3_medium_patch16_224 deit3_small_patch16_224 deit3_small_patch16_384
  vit_base_patch14_dinov2 vit_base_patch14_reg4_dinov2 vit_base_patch16_plus_240 vit_base_patch32_plus_256
  vit_betwixt_patch16_gap_256 vit_betwixt_patch16_reg1_gap_256 vit_betwixt_patch16_reg4_gap_256
  vit_betwixt_patch16_reg4_gap_384
  vit_giant_patch14_dinov2 vit_giant_patch14_reg4_dinov2 vit_intern300m_patch14_448
  vit_large_patch14_dinov2 vit_large_patch14_reg4_dinov2 vit_little_patch16_reg1_gap_256
  vit_little_patch16_reg4_gap_256 vit_medium_patch16_gap_240 vit_medium_patch16_gap_256
  vit_medium_patch16_gap_384 vit_medium_patch16_reg1_gap_256 vit_medium_patch16_reg4_gap_256
  vit_mediumd_patch16_reg4_gap_256 vit_mediumd_patch16_reg4_gap_384 vit_small_patch14_dinov2
  vit_small_patch14_reg4_dinov2 vit_small_patch16_36x1_224 vit_so150m2_patch16_reg1_gap_256
  vit_so150m2_patch16_reg1_gap_384 vit_so150m2_patch16_reg1_gap_448 vit_wee_patch16_reg1_gap_256`;

/** Without it, unless `init_values` asks for it. */
const withoutLayerScale = `
  deit_base_distilled_patch16_224 deit_base_distilled_patch16_384 deit_base_patch16_224
  deit_base_patch16_384 deit_small_distilled_patch16_224 deit_small_patch16_224
  deit_tiny_distilled_patch16_224 deit_tiny_patch16_224 eva_large_patch14_196 eva_large_patch14_336
  flexivit_base flexivit_large flexivit_small vit_base_patch8_224 vit_base_patch16_224
  vit_base_patch16_224_miil vit_base_patch16_384 vit_base_patch16_clip_224 vit_base_patch16_clip_384
  vit_base_patch16_clip_quickgelu_224 vit_base_patch16_gap_224 vit_base_patch16_plus_clip_240
  vit_base_patch16_reg4_gap_256 vit_base_patch16_siglip_224 vit_base_patch16_siglip_256
  vit_base_patch16_siglip_384 vit_base_patch16_siglip_512 vit_base_patch16_siglip_gap_224
  vit_base_patch16_siglip_gap_256 vit_base_patch16_siglip_gap_384 vit_base_patch16_siglip_gap_512
  vit_base_patch32_224 vit_base_patch32_384 vit_base_patch32_clip_224 vit_base_patch32_clip_256
  vit_base_patch32_clip_384 vit_base_patch32_clip_448 vit_base_patch32_clip_quickgelu_224
  vit_base_patch32_siglip_256 vit_base_patch32_siglip_gap_256 vit_betwixt_patch32_clip_224
  vit_giant_patch14_224 vit_giant_patch14_clip_224 vit_giant_patch16_gap_224
  vit_giantopt_patch16_siglip_256 vit_giantopt_patch16_siglip_384 vit_giantopt_patch16_siglip_gap_256
  vit_giantopt_patch16_siglip_gap_384 vit_gigantic_patch14_224 vit_gigantic_patch14_clip_224
  vit_gigantic_patch14_clip_378 vit_gigantic_patch14_clip_quickgelu_224 vit_huge_patch14_224
  vit_huge_patch14_clip_224 vit_huge_patch14_clip_336 vit_huge_patch14_clip_378
  vit_huge_patch14_clip_quickgelu_224 vit_huge_patch14_clip_quickgelu_378 vit_huge_patch14_gap_224
  vit_huge_patch16_gap_448 vit_large_patch14_224 vit_large_patch14_clip_224 vit_large_patch14_clip_336
  vit_large_patch14_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_336 vit_large_patch16_224
  vit_large_patch16_384 vit_large_patch16_siglip_256 vit_large_patch16_siglip_384
  vit_large_patch16_siglip_512 vit_large_patch16_siglip_gap_256 vit_large_patch16_siglip_gap_384
  vit_large_patch16_siglip_gap_512 vit_large_patch32_224 vit_large_patch32_384 vit_medium_patch16_clip_224
  vit_medium_patch32_clip_224 vit_small_patch8_224 vit_small_patch16_224 vit_small_patch16_384
  vit_small_patch32_224 vit_small_patch32_384 vit_so150m_patch16_reg4_gap_256
  vit_so150m_patch16_reg4_gap_384 vit_so150m_patch16_reg4_map_256 vit_so400m_patch14_siglip_224
  vit_so400m_patch14_siglip_378 vit_so400m_patch14_siglip_384 vit_so400m_patch14_siglip_gap_224
  vit_so400m_patch14_siglip_gap_378 vit_so400m_patch14_siglip_gap_384 vit_so400m_patch14_siglip_gap_448
  vit_so400m_patch14_siglip_gap_896 vit_so400m_patch16_siglip_256 vit_so400m_patch16_siglip_384
  vit_so400m_patch16_siglip_512 vit_so400m_patch16_siglip_gap_256 vit_so400m_patch16_siglip_gap_384
  vit_so400m_patch16_siglip_gap_512 vit_tiny_patch16_224 vit_tiny_patch16_384 vit_xsmall_patch16_clip_224`;

const names = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));
const scaled = names(withLayerScale);
const plain = names(withoutLayerScale);

/** What an architecture brings along, whatever its arguments. */
export interface PlainVit {
  readonly scalesItsLayers: boolean;
  /** It is a VisionTransformerDistilled: two tokens, and a head for each. */
  readonly isDistilled: boolean;
}

/** Null for a name that timm does not know as a plain ViT. */
export function plainVit(architecture: string): PlainVit | null {
  const scalesItsLayers = scaled.has(architecture);
  return scalesItsLayers || plain.has(architecture)
    ? { scalesItsLayers, isDistilled: architecture.includes('_distilled_') }
    : null;
}
