// A guess at the encoding of names that are no UTF-8: each candidate is asked how likely its reading would be
// as text of its languages. A few names are little to go by, so the guess is always shown with the choice.
// Knows no archives.
import { decodeName, type NameEncoding } from './name-encoding.ts';

// Frequent characters of names of things, written down by hand: a few hundred tell languages apart that share
// bytes.
const simplified = new Set(
  '的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏集编宝谈府拉黑且随格尽剑讲布杀微怕母调局根曾准团段终乐切级克精哪官示冲竟乎男举客证苦照注费足尔招群热推晚响病态属断类'.concat(
    '猫狗鸟鱼虎狮熊猴羊牛猪鸡鸭鹅兔鼠蛇龙狼狐象鹿豹蝶蜂虫蚁蛙龟树草叶菜苹香蕉橙桃梨葡萄草莓西瓜番茄土豆米饭面包肉蛋奶茶酒汤糖盐油衣裤鞋帽包箱桌椅床灯杯瓶碗刀笔书纸球船桥楼塔河湖雨雪云雷冰玫瑰菊莲兰竹松枫正常异缺陷合格裂纹划痕污渍测试训练验证样本图片标签照',
  ),
);
const traditional = new Set(
  '的一是不了人我在有他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她里裡後小麼心多天而能好都然沒日於起還發成事只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知民樣現分將外但身些與高意進把法此實回二理美點月明其種聲全工己話兒者向情部正名定女問力機給等幾很業最間新什打便位因重被走電四第門相次東政海口使教西再平真聽世氣信北少關並內加化由卻代軍產入先山五太水萬市眼體別處總才場師書比住員九笑性通目華報立馬命張活難神數件安表原車白應路期叫死常提感金何更反合放做系計或司利受光王果親界及今京務制解各任至清物台象記邊共風戰干接它許八特覺望直服毛林題建南度統色字請交愛讓認算論百吃義科怎元社術結六功指思非流每青管夫連遠資隊跟帶花快條院變聯言權往展該領傳近留紅治決周保達辦運武半候七必城父強步完革深區即求品士轉量空甚眾技輕程告江語英基派滿式李息寫呢識極令黃德收臉錢黨倒未持取設始版雙歷越史商千片容研像找友孩站廣改議形委早房音火際則首單據導影失拿網香似斯專石若兵弟誰校讀志飛觀爭究包組造落視濟喜離雖壞集編寶談府拉黑且隨格盡劍講布殺微怕母調局根曾準團段終樂切級克精哪官示衝竟乎男舉客證苦照注費足爾招群熱推晚響病態屬斷類'.concat(
    '貓狗鳥魚虎獅熊猴羊牛豬雞鴨鵝兔鼠蛇龍狼狐象鹿豹蝶蜂蟲蟻蛙龜樹草葉菜蘋香蕉橙桃梨葡萄莓瓜番茄土豆米飯麵包肉蛋奶茶酒湯糖鹽油衣褲鞋帽箱桌椅床燈杯瓶碗刀筆紙球船橋樓塔河湖雨雪雲雷冰玫瑰菊蓮蘭竹松楓正常異缺陷合格裂紋劃痕污漬測試訓練驗證樣本圖片標籤',
  ),
);
const kanji = new Set(
  '日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙果西勢減台広容必応演電歳住争談能無再位置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比難防補車優夫研収断井何南石足違消境神番規術護展態導鮮備宅害配副算視条幹独警宮究育席輸訪楽起万着乗店述残想線率病農州武声質念待試族象銀域助労例衛然早張映限親額監環験追審商葉義伝働形景落欧担好退準賀訴辺造英被株頭技低毎医復仕去姿味負閣韓渡失移差衆個門写評課末守若脳極種美岡影命含福蔵量望松非撃佐核観察整段横融型白深字答夜製票況音申様財港識注呼渉達猫犬鳥魚虎獅熊猿羊牛豚鶏兎鼠蛇竜狼狐鹿豹蝶蜂虫亀花草葉桜梅竹菊薔薇苺桃梨葡萄瓜芋飯麺肉卵茶酒服靴帽箱机椅子灯杯瓶皿刀筆紙船橋塔湖雨雪雲氷赤青黄緑黒白良品不良正常異常欠陥合格傷汚',
);
const hangul = new Set(
  '가각간갈감강개객거건걸검겁것게격견결경계고곡골곰공과관광교구국군굴권귀규균그극근글금급기긴길김까깨꺼께꼬꽃꾸꿀꿈끝끼나난날남내너넓네년노녹논놀높놓누눈뉴느는늘능니다단달닭담답당대더덕던데도독돈돌동돼되된두둑뒤드득든들등디따때떡또뚜라락란람랍랑래량러럼레려력련령례로록론료루류른름릉리린림립링마막만많말망매맥머먹멀메며면명모목몬못몽무문물미민밀바박반발밤밥방배백뱀버번벌범법벽변별병보복본봉부북분불붕브비빈빛빵뿌사산살삼상새색생서석선설성세소속손송쇠수숙순술숨스습승시식신실심십싸쌀씨아안알암앙애액야약양어억언얼엄업없에여역연열염영예오옥온옷와완왕외요용우운울원월위유육으은을음의이인일임입있자작잔잘잠장재저적전절점접정제조족존종좋주죽준중즈증지직진질집짜차착참창채책처천철첫청체초촌총최추축출충취치칠침카커컵코콩크큰키타탄탈태택터테토통투트특파판팔패팬퍼페편평폐포표푸품풍프피필하학한할함합항해핵행향허헌험현혈형호혹혼홍화확환활황회효후훈휴흐흑흙희흰히힘고양이강아지개새호랑이사자토끼정상불량결함',
);

type Likelihood = (char: string, lead: number) => number;

/**
 * Logarithm of a character's frequency where a share of a text falls evenly on so many. Only magnitudes
 * decide.
 */
const evenly = (share: number, among: number): number => Math.log(share / among);
const never = -22;

const isIn = (value: number, begin: number, end: number): boolean => value >= begin && value <= end;
const isHan = (char: string): boolean => /^\p{Script=Han}$/u.test(char);
const isKana = (char: string): boolean => isIn(char.charCodeAt(0), 0x3041, 0x30fe);
const isHangul = (char: string): boolean => /^\p{Script=Hangul}$/u.test(char);
const isWideSign = (char: string): boolean =>
  isIn(char.charCodeAt(0), 0x3000, 0x3017) || isIn(char.charCodeAt(0), 0xff01, 0xff5e);

/** The standards put the commoner half of their characters under the lead bytes from `begin` to `end`. */
const chinese =
  (frequent: ReadonlySet<string>, begin: number, end: number): Likelihood =>
  (char, lead) => {
    if (frequent.has(char)) return evenly(0.75, frequent.size);
    if (isHan(char)) return isIn(lead, begin, end) ? evenly(0.24, 3800) : evenly(0.003, 4000);
    return isWideSign(char) ? evenly(0.02, 100) : never;
  };

const japanese =
  (begin: number, end: number): Likelihood =>
  (char, lead) => {
    if (isKana(char)) return evenly(0.5, 170);
    if (kanji.has(char)) return evenly(0.4, kanji.size);
    if (isHan(char)) return isIn(lead, begin, end) ? evenly(0.08, 2965) : evenly(0.003, 3400);
    if (isIn(char.charCodeAt(0), 0xff61, 0xff9f)) return -9;
    return isWideSign(char) ? evenly(0.02, 100) : never;
  };

const korean: Likelihood = (char) => {
  if (hangul.has(char)) return evenly(0.94, hangul.size);
  if (isHangul(char)) return evenly(0.05, 1900);
  return isHan(char) ? evenly(0.002, 4888) : never;
};

/** Letters of alphabets; `frequent` has four fifths of the share. */
const alphabet = (share: number, frequent: string, rare: string): Likelihood => {
  const both = (text: string): ReadonlySet<string> => new Set(text + text.toUpperCase());
  const [often, seldom] = [both(frequent), both(rare)];
  return (char) => {
    if (often.has(char)) return evenly(0.8 * share, frequent.length);
    return seldom.has(char) ? evenly(0.2 * share, rare.length) : never;
  };
};

const western = alphabet(0.08, 'äöüßéèàçñáíóúêâô', 'ëïîìòùûåæøõãÿýðþœšž');
const central = alphabet(0.12, 'ąćęłńóśźżáčéěířšúůýžöüőű', 'äďňťľĺŕăâîđşţ');
const cyrillic = alphabet(0.98, 'оеаинтрслвкмдпуя', 'бгжзйфхцчшщыьэюёъіїєґ');
const greek = alphabet(0.98, 'αοιετσνηυρπκμλςάίό', 'βγδζθξφχψωέήύώϊϋ');
const hebrew = alphabet(0.98, 'יוהלארמתבש', 'גדזחטכנסעפצקםןךףץ');
const arabic = alphabet(0.98, 'ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأ', 'إآءئؤ');

interface Candidate {
  readonly encoding: NameEncoding;
  readonly likelihood: Likelihood;
  /** Logarithm of how much rarer archives in it are. */
  readonly prior: number;
}

/**
 * Best first where several are equally likely. Thai and Vietnamese letters take up every byte: they are only
 * offered.
 */
const candidates: readonly Candidate[] = [
  { encoding: 'cp437', likelihood: western, prior: 0 },
  { encoding: 'cp850', likelihood: western, prior: -0.5 },
  { encoding: 'windows-1252', likelihood: western, prior: -1 },
  { encoding: 'gb18030', likelihood: chinese(simplified, 0xb0, 0xd7), prior: 0 },
  { encoding: 'big5', likelihood: chinese(traditional, 0xa4, 0xc6), prior: -1 },
  { encoding: 'shift_jis', likelihood: japanese(0x88, 0x97), prior: 0 },
  { encoding: 'euc-jp', likelihood: japanese(0xb0, 0xcf), prior: -4 },
  { encoding: 'euc-kr', likelihood: korean, prior: 0 },
  { encoding: 'ibm866', likelihood: cyrillic, prior: 0 },
  { encoding: 'windows-1251', likelihood: cyrillic, prior: -1 },
  { encoding: 'koi8-r', likelihood: cyrillic, prior: -4 },
  { encoding: 'cp852', likelihood: central, prior: -2 },
  { encoding: 'windows-1250', likelihood: central, prior: -3 },
  { encoding: 'windows-1253', likelihood: greek, prior: -4 },
  { encoding: 'windows-1255', likelihood: hebrew, prior: -4 },
  { encoding: 'windows-1256', likelihood: arabic, prior: -6 },
];

/** More names than this say nothing new. */
const most = 300;

/**
 * The likeliest encoding of names of which at least one is not UTF-8: every folder's and file's name once.
 *
 * @param except encodings that names of their kind are never in.
 */
export function guessEncoding(
  raws: readonly Uint8Array[],
  except: ReadonlySet<NameEncoding> = new Set(),
): NameEncoding {
  const parts = partsOf(raws);
  let [best, bestScore]: [NameEncoding, number] = ['cp437', -Infinity];
  for (const { encoding, likelihood, prior } of candidates) {
    if (except.has(encoding)) continue;
    const score = parts.reduce((sum, part) => sum + scoreOf(part, encoding, likelihood), prior);
    if (score > bestScore) [best, bestScore] = [encoding, score];
  }
  return best;
}

/**
 * The names between separators that are not ASCII, each once. No encoding of the list has '/' within a
 * character.
 */
function partsOf(raws: readonly Uint8Array[]): Uint8Array[] {
  const parts = new Map<string, Uint8Array>();
  for (const raw of raws) {
    for (let begin = 0, at = 0; at <= raw.length && parts.size < most; at++) {
      if (at < raw.length && raw[at] !== 0x2f) continue;
      const part = raw.subarray(begin, at);
      if (part.some((byte) => byte >= 0x80)) parts.set(part.join(), part);
      begin = at + 1;
    }
  }
  return [...parts.values()];
}

function scoreOf(part: Uint8Array, encoding: NameEncoding, likelihood: Likelihood): number {
  let score = 0;
  let before = '';
  for (let at = 0; at < part.length;) {
    const lead = part[at] ?? 0;
    const length = lead < 0x80 ? 1 : unitBytes(encoding, lead, part[at + 1] ?? 0);
    const char = decodeName(part.subarray(at, at + length), encoding);
    score += lead < 0x80 ? ascii(char) : Array.from(char).length === 1 ? likelihood(char, lead) : never;
    if (clash(before, char)) score -= 5;
    before = char;
    at += length;
  }
  return score;
}

/** Bytes of the character that begins with a lead byte of 0x80 or more. */
function unitBytes(encoding: NameEncoding, lead: number, next: number): number {
  if (encoding === 'gb18030') return isIn(next, 0x30, 0x39) ? 4 : 2;
  if (encoding === 'shift_jis') return isIn(lead, 0xa1, 0xdf) ? 1 : 2;
  if (encoding === 'euc-jp') return lead === 0x8f ? 3 : 2;
  return encoding === 'big5' || encoding === 'euc-kr' ? 2 : 1;
}

const ascii = (char: string): number =>
  /[a-z0-9 _.-]/.test(char)
    ? Math.log(1 / 40)
    : /[A-Z()]/.test(char)
      ? Math.log(1 / 120)
      : Math.log(1 / 2000);

/**
 * What words of one language do not do: a capital after a small letter, letters of two alphabets side by
 * side.
 */
function clash(before: string, char: string): boolean {
  if (/^\p{Ll}$/u.test(before) && /^\p{Lu}$/u.test(char)) return true;
  const [a, b] = [before, char].map((one) => /^[A-Za-z]$/.test(one));
  const isForeign = (one: string): boolean => /^\p{L}$/u.test(one) && !/^\p{Script=Latin}$/u.test(one);
  return (a === true && isForeign(char)) || (b === true && isForeign(before));
}
