/**
 * The class that a `model_type` has where no file names one (`TOKENIZER_MAPPING_NAMES` of transformers 4.46, and of
 * later ones for families that came later).
 */
const BY_MODEL_TYPE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    AlbertTokenizer: ['albert', 'nystromformer', 'yoso'],
    BartTokenizer: ['bart'],
    BarthezTokenizer: ['barthez'],
    BertTokenizer: ['bert', 'ernie', 'megatron-bert', 'nezha', 'nomic_bert', 'qdqbert', 'visual_bert'],
    BertJapaneseTokenizer: ['bert-japanese'],
    BigBirdTokenizer: ['big_bird'],
    CamembertTokenizer: ['camembert'],
    CodeGenTokenizer: ['codegen', 'phi'],
    ConvBertTokenizer: ['convbert'],
    DPRQuestionEncoderTokenizer: ['dpr'],
    DebertaTokenizer: ['deberta'],
    DebertaV2Tokenizer: ['deberta-v2'],
    DistilBertTokenizer: ['distilbert'],
    ElectraTokenizer: ['electra'],
    FNetTokenizer: ['fnet'],
    GPT2Tokenizer: ['gpt2', 'gpt_bigcode', 'gpt_neo', 'gptj', 'opt', 'starcoder2'],
    HerbertTokenizer: ['herbert'],
    LEDTokenizer: ['led'],
    LayoutLMTokenizer: ['layoutlm'],
    LongformerTokenizer: ['longformer'],
    LxmertTokenizer: ['lxmert'],
    MPNetTokenizer: ['mpnet'],
    MT5Tokenizer: ['mt5'],
    MobileBertTokenizer: ['mobilebert'],
    MvpTokenizer: ['mvp'],
    PreTrainedTokenizer: ['falcon', 'glm', 'modernbert', 'modernbert-decoder'],
    Qwen2Tokenizer: ['qwen2', 'qwen2_moe', 'qwen3', 'qwen3_moe'],
    RealmTokenizer: ['realm'],
    RemBertTokenizer: ['rembert'],
    RetriBertTokenizer: ['retribert'],
    RobertaTokenizer: ['roberta', 'roberta-prelayernorm', 'data2vec-text', 'ibert', 'mega', 'mra'],
    SqueezeBertTokenizer: ['squeezebert'],
    T5Tokenizer: ['t5', 'longt5', 'switch_transformers', 'umt5'],
    XGLMTokenizer: ['xglm'],
    XLMRobertaTokenizer: ['xlm-roberta', 'xlm-roberta-xl', 'xmod', 'gte', 'jina_embeddings_v3'],
    XLNetTokenizer: ['xlnet'],
  }).flatMap(([name, types]) => types.map((type) => [type, name] as const)),
);

/** Families whose tokenizer only a class can make that is not known here. */
const UNKNOWN_BY_MODEL_TYPE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    bertweet: 'BertweetTokenizer',
    biogpt: 'BioGptTokenizer',
    canine: 'CanineTokenizer',
    ctrl: 'CTRLTokenizer',
    ernie_m: 'ErnieMTokenizer',
    esm: 'EsmTokenizer',
    flaubert: 'FlaubertTokenizer',
    fsmt: 'FSMTTokenizer',
    funnel: 'FunnelTokenizer',
    gemma: 'GemmaTokenizer',
    llama: 'LlamaTokenizer',
    luke: 'LukeTokenizer',
    marian: 'MarianTokenizer',
    mluke: 'MLukeTokenizer',
    perceiver: 'PerceiverTokenizer',
    phobert: 'PhobertTokenizer',
    prophetnet: 'ProphetNetTokenizer',
    roc_bert: 'RoCBertTokenizer',
    roformer: 'RoFormerTokenizer',
    splinter: 'SplinterTokenizer',
    tapas: 'TapasTokenizer',
    xlm: 'XLMTokenizer',
  }),
);

/** The class of a `model_type`, known here or not; undefined for a family that transformers does not have. */
export function classOfModelType(type: string): string | undefined {
  return BY_MODEL_TYPE.get(type) ?? UNKNOWN_BY_MODEL_TYPE.get(type);
}
