//! What `tokenizer_config.json` says of how texts are divided, cut and joined, applied as the reference library applies it; what
//! it does not apply either is named in a note.

use serde_json::{Map, Value};
use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{
    ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper,
};

use crate::files::{Files, TOKENIZER_CONFIG, TOKENIZER_JSON};
use crate::pipeline::{Part, Pipeline};
use crate::special::{Added, Declared, Role};
use crate::tokenizer::shielded;
use crate::wordpiece::flag;
use crate::{Error, Result};

const LOWER_CASE: &str = "do_lower_case";
const STRIP_ACCENTS: &str = "strip_accents";
const CHINESE: &str = "tokenize_chinese_chars";
const PREFIX_SPACE: &str = "add_prefix_space";

/// The classes of the reference library whose own settings decide over a `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// BERT's word pieces.
    Bert,
    /// GPT-2's byte pairs, around which nothing is put but what is asked for.
    Gpt2,
    /// RoBERTa's byte pairs, with its own tokens around a text.
    Roberta,
    /// Another class, of which the files alone say what it does.
    Other,
    /// Nothing says which.
    Unnamed,
}

impl Kind {
    /// The kind that `tokenizer_class` names, else the one that models of this type have.
    pub(crate) fn of(settings: &Map<String, Value>, config: &Map<String, Value>) -> Kind {
        let text = |map: &Map<String, Value>, key: &str| Some(map.get(key)?.as_str()?.to_owned());
        if let Some(class) = class(settings, config) {
            return match class.as_str() {
                "ElectraTokenizer" => Kind::Bert,
                // Its class ends so too, but knows no word pieces.
                "RNABertTokenizer" => Kind::Other,
                "GPT2Tokenizer" => Kind::Gpt2,
                "RobertaTokenizer" | "BartTokenizer" | "LongformerTokenizer" | "LEDTokenizer" => {
                    Kind::Roberta
                }
                class if class.ends_with("BertTokenizer") => Kind::Bert,
                _ => Kind::Other,
            };
        }
        match text(config, "model_type").unwrap_or_default().as_str() {
            "bert" | "convbert" | "distilbert" | "electra" | "mobilebert" | "nomic_bert" => {
                Kind::Bert
            }
            "codegen" | "gpt2" | "gpt_neo" | "gptj" | "opt" | "phi" | "starcoder2" => Kind::Gpt2,
            "bart" | "longformer" | "roberta" | "roberta-prelayernorm" => Kind::Roberta,
            _ => Kind::Unnamed,
        }
    }
}

/// The `tokenizer_class` of a preset, whether its fast form is named or not.
pub(crate) fn class(settings: &Map<String, Value>, config: &Map<String, Value>) -> Option<String> {
    let of = |map: &Map<String, Value>| Some(map.get("tokenizer_class")?.as_str()?.to_owned());
    let class = of(settings).or_else(|| of(config))?;
    Some(class.strip_suffix("Fast").unwrap_or(&class).to_owned())
}

/// How a tokenizer is used, beyond what its pipeline says.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    /// The end of a text that is cut off.
    pub(crate) cuts: TruncationDirection,
    /// Whether of two texts the second alone is cut, as long as there is something of it.
    pub(crate) cuts_second: bool,
    /// Whether spaces before marks and contractions are taken out of decoded texts.
    pub(crate) cleans_up: bool,
    /// Whether decoded texts lose all spaces, as those of a vocabulary of letters that are written apart.
    pub(crate) joins_letters: bool,
    /// Whether the texts of a row are told apart.
    pub(crate) has_types: bool,
    /// What the files say without effect.
    pub(crate) notes: Vec<String>,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner {
            cuts: TruncationDirection::Right,
            cuts_second: false,
            cleans_up: false,
            joins_letters: false,
            has_types: true,
            notes: Vec::new(),
        }
    }
}

/// Applies the settings to a tokenizer made of `file`; `config` is the preset's `config.json`.
///
/// # Errors
///
/// A setting has a value of another kind than it should.
pub(crate) fn apply(
    inner: &mut Pipeline,
    file: &str,
    files: &Files,
    declared: &Declared,
    config: &Map<String, Value>,
) -> Result<Manner> {
    let settings = files.object(TOKENIZER_CONFIG)?;
    let kind = Kind::of(&settings, config);
    let mut manner = Manner {
        cuts: cut_side(inner, &settings)?,
        cuts_second: settings.get("truncation_strategy").and_then(Value::as_str)
            == Some("only_second"),
        cleans_up: flag(&settings, "clean_up_tokenization_spaces")? == Some(true)
            && !matches!(inner.get_model(), Part::Library(ModelWrapper::BPE(_))),
        joins_letters: false,
        has_types: has_types(&settings),
        notes: Vec::new(),
    };
    // Then a special token that is written out in a text is text.
    inner.set_encode_special_tokens(flag(&settings, "split_special_tokens")? == Some(true));
    if file == TOKENIZER_JSON {
        settle_normalizer(inner, kind, &settings, &mut manner.notes)?;
        settle_prefix_space(inner, kind, &settings)?;
    }
    let Part::Library(_) = inner.get_model() else {
        // What is added to a SentencePiece file is part of its family.
        manner
            .notes
            .extend(unapplied(inner, file, declared, &settings)?);
        return Ok(manner);
    };
    add_tokens(inner, declared, config, &mut manner.notes)?;
    manner
        .notes
        .extend(unapplied(inner, file, declared, &settings)?);
    Ok(manner)
}

/// The end that texts lose: as the settings say, else as a stored cut of the pipeline has it.
fn cut_side(inner: &Pipeline, settings: &Map<String, Value>) -> Result<TruncationDirection> {
    match settings.get("truncation_side") {
        None | Some(Value::Null) => Ok(inner
            .get_truncation()
            .map_or(TruncationDirection::Right, |stored| stored.direction)),
        Some(side) => match side.as_str() {
            Some("left") => Ok(TruncationDirection::Left),
            Some("right") => Ok(TruncationDirection::Right),
            _ => Err(Error::malformed(
                TOKENIZER_CONFIG,
                format!("truncation_side should be \"left\" or \"right\", not {side}"),
            )),
        },
    }
}

/// Whether the inputs of the model include types; where nothing is said they do.
fn has_types(settings: &Map<String, Value>) -> bool {
    let inputs = settings.get("model_input_names").and_then(Value::as_array);
    inputs.is_none_or(|inputs| inputs.iter().any(|input| input == "token_type_ids"))
}

/// BERT's classes take case, accents and Chinese characters from their settings, or from their defaults, not from the file.
fn settle_normalizer(
    inner: &mut Pipeline,
    kind: Kind,
    settings: &Map<String, Value>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let Some(Part::Library(NormalizerWrapper::BertNormalizer(stored))) = inner.get_normalizer()
    else {
        return Ok(());
    };
    if kind != Kind::Bert {
        return Ok(());
    }
    let lower_case = flag(settings, LOWER_CASE)?;
    let mut settled = *stored;
    settled.lowercase = lower_case.unwrap_or(true);
    settled.strip_accents = flag(settings, STRIP_ACCENTS)?;
    settled.handle_chinese_chars = flag(settings, CHINESE)?.unwrap_or(true);
    if lower_case.is_none() && !stored.lowercase {
        notes.push(format!(
            "{TOKENIZER_JSON} keeps case, but texts are lower-cased, as BERT's tokenizer in transformers does unless \
             {TOKENIZER_CONFIG} says {LOWER_CASE}: false"
        ));
    }
    inner
        .with_normalizer(Some(Part::Library(NormalizerWrapper::BertNormalizer(
            settled,
        ))))
        .map_err(|error| Error::malformed(TOKENIZER_JSON, error.to_string()))?;
    Ok(())
}

/// The classes of byte pairs take the space in front of a text from their settings, not from the file.
fn settle_prefix_space(
    inner: &mut Pipeline,
    kind: Kind,
    settings: &Map<String, Value>,
) -> Result<()> {
    if !matches!(kind, Kind::Gpt2 | Kind::Roberta) {
        return Ok(());
    }
    let Some(PreTokenizerWrapper::ByteLevel(stored)) = inner.get_pre_tokenizer() else {
        return Ok(());
    };
    let mut settled = *stored;
    settled.add_prefix_space = flag(settings, PREFIX_SPACE)?.unwrap_or(false);
    inner.with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(settled)));
    Ok(())
}

/// Adds the tokens that the settings name and the file does not list. One that gets an id for which the model has no embedding
/// stays text.
fn add_tokens(
    inner: &mut Pipeline,
    declared: &Declared,
    config: &Map<String, Value>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let size = config.get("vocab_size").and_then(Value::as_u64);
    let further = declared.added().values().map(|token| (token, false));
    let further = further.chain(declared.stated_roles().map(|token| (token, false)));
    let further = further.chain(declared.extra().iter().map(|token| (token, true)));
    let is_role = |token: &Added| declared.stated_roles().any(|role| role == token);
    for (token, is_extra) in further {
        let is_listed = inner
            .get_added_tokens_decoder()
            .values()
            .any(|listed| listed.content == token.content);
        if is_listed || token.content.is_empty() {
            continue;
        }
        let is_known = inner.token_to_id(&token.content).is_some();
        // A role that no token plays stays so, unless the model is known to have one to spare.
        let has_room = size.map_or(!is_role(token), |size| {
            (inner.get_vocab_size(true) as u64) < size
        });
        if !is_known && !has_room {
            if is_extra {
                notes.push(format!(
                    "{:?}, a special token of {TOKENIZER_CONFIG}, is in no vocabulary and the model has no embedding for one \
                     more: in a text it is read as any other word",
                    token.content
                ));
            }
            continue;
        }
        shielded(|| inner.add_tokens([token.to_entry()]).map(drop))
            .map_err(|reason| Error::malformed(TOKENIZER_CONFIG, reason))?
            .map_err(|error| Error::malformed(TOKENIZER_CONFIG, error.to_string()))?;
    }
    Ok(())
}

/// Settings that say something else than what the tokenizer does.
fn unapplied(
    inner: &Pipeline,
    file: &str,
    declared: &Declared,
    settings: &Map<String, Value>,
) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let mut note = |key: &str, value: bool, does: &str| {
        let why = if file == TOKENIZER_JSON {
            format!("{TOKENIZER_JSON} decides")
        } else {
            format!("this kind of tokenizer, made of {file}, {does}")
        };
        notes.push(format!(
            "{TOKENIZER_CONFIG} says {key}: {value}, which has no effect here: {why}, as in transformers 5"
        ));
    };
    let normalizes = |text: &str| normalized(inner, text);
    let is_bert = matches!(
        inner.get_normalizer(),
        Some(Part::Library(NormalizerWrapper::BertNormalizer(_)))
    );
    for (key, text, changed, kept) in [
        (LOWER_CASE, "A", "has no case", "keeps case"),
        (STRIP_ACCENTS, "\u{e9}", "has no accents", "keeps accents"),
        (
            CHINESE,
            "\u{5b57}",
            "",
            "does not set Chinese characters apart",
        ),
    ] {
        let Some(said) = flag(settings, key)? else {
            continue;
        };
        let done = normalizes(text) != text;
        // Letters stand apart in any case.
        if said != done && !(key == CHINESE && said && !is_bert) {
            note(key, said, if done { changed } else { kept });
        }
    }
    let frame = frame_ids(inner);
    for (key, role, at_end) in [
        ("add_bos_token", Role::Bos, false),
        ("add_eos_token", Role::Eos, true),
    ] {
        let Some(said) = flag(settings, key)? else {
            continue;
        };
        let id = declared
            .token(role)
            .and_then(|token| inner.token_to_id(token));
        let (Some(id), Some(frame)) = (id, &frame) else {
            continue;
        };
        let end = if at_end { frame.last() } else { frame.first() };
        if said != (end == Some(&id)) {
            let does = if said { "adds none" } else { "always adds one" };
            note(key, said, does);
        }
    }
    Ok(notes)
}

/// What the normaliser makes of a text, but for the mark that SentencePiece puts in front.
fn normalized(inner: &Pipeline, text: &str) -> String {
    let mut normalized = NormalizedString::from(text);
    let done = inner
        .get_normalizer()
        .map(|normalizer| shielded(|| normalizer.normalize(&mut normalized)));
    match done {
        Some(Ok(Ok(()))) => normalized.get().replace('\u{2581}', ""),
        _ => text.to_owned(),
    }
}

/// Lower-cases texts before the normaliser sees them, unless it does so itself; whether it had to be changed.
///
/// # Errors
///
/// The texts are prepared by SentencePiece.
pub(crate) fn lower_case(inner: &mut Pipeline) -> Result<bool> {
    if normalized(inner, "A") == "a" {
        return Ok(false);
    }
    let broken = |error: tokenizers::Error| Error::Use {
        action: "lower-case texts",
        reason: error.to_string(),
    };
    let mut normalizers = vec![NormalizerWrapper::Lowercase(Lowercase)];
    match inner.get_normalizer() {
        None => {}
        Some(Part::Library(normalizer)) => normalizers.push(normalizer.clone()),
        Some(Part::SentencePiece(_)) => {
            return Err(Error::Use {
                action: "lower-case texts",
                reason: "it is made of a SentencePiece file; save the preset with a tokenizer.json"
                    .into(),
            });
        }
    }
    let sequence = NormalizerWrapper::Sequence(Sequence::new(normalizers));
    inner
        .with_normalizer(Some(Part::Library(sequence)))
        .map_err(broken)?;
    Ok(true)
}

/// The special tokens around an empty text.
fn frame_ids(inner: &Pipeline) -> Option<Vec<u32>> {
    match inner.get_post_processor() {
        None => Some(Vec::new()),
        Some(PostProcessorWrapper::ByteLevel(_)) => Some(Vec::new()),
        Some(_) => {
            let encoded = shielded(|| inner.encode_fast("", true)).ok()?.ok()?;
            Some(encoded.get_ids().to_vec())
        }
    }
}

/// The further special tokens of the files: those in a list, and those with a name that no role has; none if nothing is said of
/// any.
pub(crate) fn extra_tokens(
    files: &Files,
    has_decoder: bool,
    map: &str,
) -> Result<Option<Vec<Added>>> {
    let mut extra: Option<Vec<Added>> = None;
    let mut listed = false;
    let sources: &[&str] = if has_decoder {
        &[TOKENIZER_CONFIG]
    } else {
        &[map, TOKENIZER_CONFIG]
    };
    for file in sources {
        let object = files.object(file)?;
        for key in ["extra_special_tokens", "additional_special_tokens"] {
            let values: Vec<&Value> = match object.get(key) {
                None | Some(Value::Null) => continue,
                Some(Value::Array(list)) => list.iter().collect(),
                Some(Value::Object(named)) => named.values().collect(),
                Some(other) => {
                    let reason = format!("{key} should be a list of tokens, not {other}");
                    return Err(Error::malformed(file, reason));
                }
            };
            // The first list that says anything is the list.
            if listed {
                continue;
            }
            listed = !values.is_empty();
            for value in values {
                let token = Added::from_value(value, true).ok_or_else(|| {
                    Error::malformed(file, format!("{key} should be tokens, not {value}"))
                })?;
                extra.get_or_insert_default().push(token);
            }
            extra.get_or_insert_default();
        }
        // Such as image_token: a token with a name that no role has.
        for (key, value) in &object {
            if key.ends_with("_token") && !Declared::is_role(key) {
                let is_token = value.is_string() || value.get("content").is_some();
                if let Some(token) = Added::from_value(value, true).filter(|_| is_token) {
                    extra.get_or_insert_default().push(token);
                }
            }
        }
    }
    Ok(extra)
}
