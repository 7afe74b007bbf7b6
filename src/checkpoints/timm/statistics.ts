// How timm prepares images for each plain ViT that it registers, where a checkpoint says nothing. Generated
// from the default configurations of timm 1.0.29 by scripts/interop/timm_statistics.py.

export interface TimmStatistics {
  readonly statistics: 'halves' | 'imageNet' | 'clip' | 'none';
  readonly cropShare: number;
  readonly filter: 'bilinear' | 'bicubic';
  readonly cropMode: 'center' | 'squash';
}

type Group = readonly [
  TimmStatistics['statistics'],
  number,
  TimmStatistics['filter'],
  TimmStatistics['cropMode'],
  names: string,
];

const groups: readonly Group[] = [
  [
    'clip',
    0.9,
    'bicubic',
    'center',
    `vit_base_patch16_clip_224.laion2b_ft_in12k vit_base_patch16_clip_224.openai
    vit_base_patch16_clip_224.openai_ft_in12k vit_base_patch16_clip_224.openai_ft_in1k
    vit_base_patch16_clip_quickgelu_224.openai vit_base_patch32_224_clip_laion2b vit_base_patch32_clip_224
    vit_base_patch32_clip_quickgelu_224 vit_betwixt_patch32_clip_224 vit_medium_patch16_clip_224
    vit_medium_patch32_clip_224 vit_xsmall_patch16_clip_224`,
  ],
  ['clip', 0.95, 'bicubic', 'center', `vit_base_patch16_clip_224`],
  [
    'clip',
    0.95,
    'bicubic',
    'squash',
    `vit_base_patch16_clip_384.openai_ft_in12k_in1k vit_base_patch32_clip_384.openai_ft_in12k_in1k`,
  ],
  [
    'clip',
    1.0,
    'bicubic',
    'center',
    `eva_large_patch14_196 vit_base_patch16_clip_224.datacompxl vit_base_patch16_clip_224.dfn2b
    vit_base_patch16_clip_224.laion2b vit_base_patch16_clip_224.laion2b_ft_in1k
    vit_base_patch16_clip_224.laion400m_e32 vit_base_patch16_clip_224.metaclip_2pt5b
    vit_base_patch16_clip_224.metaclip_400m vit_base_patch16_clip_quickgelu_224
    vit_base_patch16_plus_clip_240 vit_base_patch32_clip_224.datacompxl
    vit_base_patch32_clip_224.metaclip_2pt5b vit_base_patch32_clip_224.metaclip_400m
    vit_base_patch32_clip_256 vit_base_patch32_clip_384 vit_base_patch32_clip_448
    vit_base_patch32_clip_quickgelu_224.metaclip_2pt5b vit_base_patch32_clip_quickgelu_224.metaclip_400m
    vit_giant_patch14_224_clip_laion2b vit_giant_patch14_clip_224 vit_gigantic_patch14_clip_224
    vit_gigantic_patch14_clip_quickgelu_224 vit_huge_patch14_224_clip_laion2b vit_huge_patch14_clip_224
    vit_huge_patch14_clip_378 vit_huge_patch14_clip_quickgelu_224 vit_huge_patch14_clip_quickgelu_378
    vit_large_patch14_clip_224.apple_mclip2_dfndr2b vit_large_patch14_clip_224.datacompxl
    vit_large_patch14_clip_224.dfn2b vit_large_patch14_clip_224.dfn2b_s39b
    vit_large_patch14_clip_224.laion400m_e32 vit_large_patch14_clip_224.metaclip_2pt5b
    vit_large_patch14_clip_224.metaclip_400m vit_large_patch14_clip_224.openai
    vit_large_patch14_clip_224.openai_ft_in12k vit_large_patch14_clip_224.openai_ft_in12k_in1k
    vit_large_patch14_clip_224.openai_ft_in1k vit_large_patch14_clip_336.openai
    vit_large_patch14_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_336`,
  ],
  [
    'clip',
    1.0,
    'bicubic',
    'squash',
    `eva_large_patch14_336 vit_base_patch16_clip_384 vit_gigantic_patch14_clip_378 vit_huge_patch14_clip_336
    vit_huge_patch14_clip_378.metaclip2_worldwide vit_large_patch14_clip_336.openai_ft_in12k_in1k`,
  ],
  [
    'halves',
    0.9,
    'bicubic',
    'center',
    `vit_base_patch16_18x2_224 vit_base_patch16_224 vit_base_patch16_224_in21k vit_base_patch16_gap_224
    vit_base_patch16_reg4_gap_256 vit_base_patch16_rpn_224 vit_base_patch16_siglip_224
    vit_base_patch16_siglip_256 vit_base_patch16_siglip_384 vit_base_patch16_siglip_512
    vit_base_patch16_siglip_gap_224 vit_base_patch16_siglip_gap_256 vit_base_patch16_siglip_gap_384
    vit_base_patch16_siglip_gap_512 vit_base_patch16_xp_224 vit_base_patch32_224 vit_base_patch32_224_in21k
    vit_base_patch32_siglip_256 vit_base_patch32_siglip_gap_256 vit_base_patch8_224
    vit_base_patch8_224_in21k vit_giant_patch14_224 vit_giantopt_patch16_siglip_256
    vit_giantopt_patch16_siglip_384 vit_giantopt_patch16_siglip_gap_256 vit_giantopt_patch16_siglip_gap_384
    vit_gigantic_patch14_224 vit_huge_patch14_224 vit_huge_patch14_224_in21k vit_huge_patch14_xp_224
    vit_large_patch14_224 vit_large_patch14_xp_224 vit_large_patch16_224 vit_large_patch16_224_in21k
    vit_large_patch16_siglip_256 vit_large_patch16_siglip_384 vit_large_patch16_siglip_512
    vit_large_patch16_siglip_gap_256 vit_large_patch16_siglip_gap_384 vit_large_patch16_siglip_gap_512
    vit_large_patch32_224 vit_large_patch32_224_in21k vit_small_patch16_18x2_224 vit_small_patch16_224
    vit_small_patch16_224_in21k vit_small_patch16_36x1_224 vit_small_patch32_224 vit_small_patch32_224_in21k
    vit_so150m_patch16_reg4_map_256 vit_so400m_patch14_siglip_224 vit_so400m_patch14_siglip_378
    vit_so400m_patch14_siglip_384 vit_so400m_patch14_siglip_gap_224 vit_so400m_patch14_siglip_gap_378
    vit_so400m_patch16_siglip_256 vit_so400m_patch16_siglip_384 vit_so400m_patch16_siglip_512
    vit_so400m_patch16_siglip_gap_256 vit_so400m_patch16_siglip_gap_384 vit_so400m_patch16_siglip_gap_512
    vit_tiny_patch16_224 vit_tiny_patch16_224_in21k`,
  ],
  [
    'halves',
    0.95,
    'bicubic',
    'center',
    `flexivit_base flexivit_large flexivit_small test_vit test_vit2 test_vit3 test_vit4
    vit_base_patch16_plus_240 vit_base_patch32_plus_256 vit_betwixt_patch16_gap_256
    vit_betwixt_patch16_reg1_gap_256 vit_betwixt_patch16_reg4_gap_256 vit_dlittle_patch16_reg1_gap_256
    vit_dpwee_patch16_reg1_gap_256 vit_dwee_patch16_reg1_gap_256 vit_little_patch16_reg1_gap_256
    vit_little_patch16_reg4_gap_256 vit_medium_patch16_gap_240 vit_medium_patch16_gap_256
    vit_medium_patch16_reg1_gap_256 vit_medium_patch16_reg4_gap_256 vit_mediumd_patch16_reg4_gap_256
    vit_pwee_patch16_reg1_gap_256 vit_so150m_patch16_reg4_gap_256 vit_wee_patch16_reg1_gap_256`,
  ],
  ['halves', 0.95, 'bicubic', 'squash', `vit_medium_patch16_gap_384`],
  [
    'halves',
    1.0,
    'bicubic',
    'center',
    `vit_base_patch16_384 vit_base_patch32_384 vit_betwixt_patch16_reg4_gap_384
    vit_large_patch14_224_clip_laion2b vit_large_patch14_clip_224 vit_large_patch16_384
    vit_large_patch32_384 vit_mediumd_patch16_reg4_gap_384 vit_small_patch16_384 vit_small_patch32_384
    vit_so150m2_patch16_reg1_gap_256 vit_so150m2_patch16_reg1_gap_384 vit_so150m_patch16_reg4_gap_384
    vit_so400m_patch14_siglip_gap_378.webli vit_so400m_patch14_siglip_gap_384
    vit_so400m_patch14_siglip_gap_448 vit_so400m_patch14_siglip_gap_896 vit_tiny_patch16_384`,
  ],
  [
    'halves',
    1.0,
    'bicubic',
    'squash',
    `vit_large_patch14_clip_336 vit_so150m2_patch16_reg1_gap_448 vit_so400m_patch14_siglip_378.webli_ft_in1k
    vit_so400m_patch14_siglip_gap_378.webli_ft_in1k`,
  ],
  [
    'imageNet',
    0.9,
    'bicubic',
    'center',
    `deit3_base_patch16_224 deit3_huge_patch14_224 deit3_large_patch16_224 deit3_medium_patch16_224
    deit3_small_patch16_224 deit_base_distilled_patch16_224 deit_base_patch16_224
    deit_small_distilled_patch16_224 deit_small_patch16_224 deit_tiny_distilled_patch16_224
    deit_tiny_patch16_224 vit_base_patch16_224.dino vit_base_patch16_224.mae vit_base_patch16_224_dino
    vit_base_patch8_224.dino vit_base_patch8_224_dino vit_giant_patch16_gap_224 vit_huge_patch14_224.mae
    vit_huge_patch14_gap_224 vit_large_patch16_224.mae vit_small_patch16_224.dino vit_small_patch16_224_dino
    vit_small_patch8_224 vit_small_patch8_224_dino`,
  ],
  [
    'imageNet',
    1.0,
    'bicubic',
    'center',
    `deit3_base_patch16_224.fb_in22k_ft_in1k deit3_base_patch16_224_in21ft1k deit3_base_patch16_384
    deit3_base_patch16_384_in21ft1k deit3_huge_patch14_224.fb_in22k_ft_in1k deit3_huge_patch14_224_in21ft1k
    deit3_large_patch16_224.fb_in22k_ft_in1k deit3_large_patch16_224_in21ft1k deit3_large_patch16_384
    deit3_large_patch16_384_in21ft1k deit3_medium_patch16_224.fb_in22k_ft_in1k
    deit3_medium_patch16_224_in21ft1k deit3_small_patch16_224.fb_in22k_ft_in1k
    deit3_small_patch16_224_in21ft1k deit3_small_patch16_384 deit3_small_patch16_384_in21ft1k
    deit_base_distilled_patch16_384 deit_base_patch16_384 vit_base_patch14_dinov2
    vit_base_patch14_reg4_dinov2 vit_giant_patch14_dinov2 vit_giant_patch14_reg4_dinov2
    vit_huge_patch16_gap_448 vit_intern300m_patch14_448 vit_large_patch14_dinov2
    vit_large_patch14_reg4_dinov2 vit_small_patch14_dinov2 vit_small_patch14_reg4_dinov2`,
  ],
  ['none', 0.875, 'bilinear', 'center', `vit_base_patch16_224_miil vit_base_patch16_224_miil_in21k`],
  [
    'none',
    1.0,
    'bicubic',
    'center',
    `vit_base_patch14_reg1_tipsv2 vit_giant_patch14_reg1_tipsv2 vit_large_patch14_reg1_tipsv2
    vit_so400m_patch14_reg1_tipsv2`,
  ],
];

const byName: ReadonlyMap<string, TimmStatistics> = new Map(
  groups.flatMap(([statistics, cropShare, filter, cropMode, names]) =>
    names.split(/\s+/).map((name) => [name, { statistics, cropShare, filter, cropMode }] as const),
  ),
);

/**
 * The way of an architecture, of its tag where timm has another for that (`vit_base_patch16_224.mae`); null
 * if timm has neither.
 */
export function timmStatistics(architecture: string, tag: string | null): TimmStatistics | null {
  return (
    byName.get(`${architecture}.${tag ?? ''}`) ??
    byName.get(architecture) ??
    byName.get(withoutTag(architecture)) ??
    null
  );
}

const withoutTag = (name: string): string => name.replace(/\..*$/, '');
