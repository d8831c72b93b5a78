//! The languages of tokenizers that serve several: which token says what is read and what is written, and where it stands.

mod codes;

use serde_json::{Map, Value};
use tokenizers::PostProcessorWrapper;

use crate::files::{Files, TOKENIZER_CONFIG, VOCAB_JSON};
use crate::pipeline::Pipeline;
use crate::special::{Declared, Role, Step, template};
use crate::wordpiece::flag;
use crate::{Error, Result, settings};

/// The token that the writing of a language begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetStart {
    /// What the decoder reads before it writes anything, as mBART-25 has it.
    DecoderStart(u32),
    /// What the decoder, begun as its configuration says, is made to write first: mBART-50, M2M-100, NLLB.
    ForcedFirst(u32),
}

/// Whose tokens they are: the tokenizers of the reference that are given a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speakers {
    Mbart,
    Mbart50,
    M2m100,
    Nllb,
}

impl Speakers {
    /// Those that the preset names, if it names any.
    fn of(
        files: &Files,
        settings: &Map<String, Value>,
        config: &Map<String, Value>,
    ) -> Option<Speakers> {
        if let Some(class) = settings::class(settings, config) {
            return match class.as_str() {
                "MBartTokenizer" => Some(Speakers::Mbart),
                "MBart50Tokenizer" => Some(Speakers::Mbart50),
                "M2M100Tokenizer" => Some(Speakers::M2m100),
                "NllbTokenizer" => Some(Speakers::Nllb),
                _ => None,
            };
        }
        match config.get("model_type")?.as_str()? {
            "mbart" => Some(Speakers::Mbart),
            // NLLB is of this type too, and has no list of tokens.
            "m2m_100" if files.get(VOCAB_JSON).is_some() => Some(Speakers::M2m100),
            "m2m_100" | "nllb-moe" => Some(Speakers::Nllb),
            _ => None,
        }
    }

    /// The codes that they were trained on, in the order of their ids.
    pub(crate) fn codes(self, settings: &Map<String, Value>) -> Result<Vec<&'static str>> {
        let lists: &[&str] = match self {
            Speakers::Mbart => &[codes::MBART],
            Speakers::Mbart50 => &[codes::MBART, codes::MBART_50],
            Speakers::Nllb => &[codes::NLLB],
            Speakers::M2m100 => match settings.get("language_codes").map(Value::as_str) {
                None | Some(Some("m2m100")) => &[codes::M2M_100],
                Some(Some("wmt21")) => &[codes::WMT_21],
                Some(_) => {
                    return Err(Error::malformed(
                        TOKENIZER_CONFIG,
                        "language_codes should be \"m2m100\" or \"wmt21\"",
                    ));
                }
            },
        };
        Ok(lists.iter().flat_map(|list| list.split(' ')).collect())
    }

    /// The token of a language.
    pub(crate) fn token(self, code: &str) -> String {
        if self == Speakers::M2m100 {
            format!("__{code}__")
        } else {
            code.to_owned()
        }
    }

    /// The language of a token, if it is written as those of languages are.
    fn code(self, token: &str) -> Option<&str> {
        let is_made_of = |part: &str, count: usize, is: fn(&char) -> bool| {
            part.chars().count() == count && part.chars().all(|letter| is(&letter))
        };
        let (lower, upper) = (char::is_ascii_lowercase, char::is_ascii_uppercase);
        match self {
            Speakers::M2m100 => {
                let code = token.strip_prefix("__")?.strip_suffix("__")?;
                let is_code = !code.is_empty() && is_made_of(code, code.len(), lower);
                is_code.then_some(code)
            }
            Speakers::Mbart | Speakers::Mbart50 => {
                let (language, country) = token.split_once('_')?;
                let is_code = is_made_of(language, 2, lower) && is_made_of(country, 2, upper);
                is_code.then_some(token)
            }
            Speakers::Nllb => {
                let (language, script) = token.split_once('_')?;
                let (first, rest) = script.split_at_checked(1)?;
                let is_script = is_made_of(first, 1, upper) && is_made_of(rest, 3, lower);
                (is_made_of(language, 3, lower) && is_script).then_some(token)
            }
        }
    }

    /// What is read where nothing is said of it.
    fn usual(self) -> &'static str {
        match self {
            Speakers::Mbart | Speakers::Mbart50 => "en_XX",
            Speakers::M2m100 => "en",
            Speakers::Nllb => "eng_Latn",
        }
    }
}

/// A language that the tokenizer has a token for.
#[derive(Debug, Clone)]
struct Language {
    code: String,
    token: String,
    id: u32,
}

/// The languages of a tokenizer, and which of them is read and written.
#[derive(Debug, Clone)]
pub(crate) struct Languages {
    speakers: Speakers,
    /// By rising id.
    languages: Vec<Language>,
    /// The token at the end of a text.
    end: (String, u32),
    /// Whether the token of the language stands after the text, behind its end, rather than before it.
    stands_after: bool,
    source: String,
    target: Option<String>,
}

impl Languages {
    /// The languages of a tokenizer, whose tokens become special ones, and around whose texts they are put from now on; none if it has
    /// none.
    ///
    /// # Errors
    ///
    /// The settings name one that it lacks.
    pub(crate) fn of(
        inner: &mut Pipeline,
        files: &Files,
        declared: &Declared,
        config: &Map<String, Value>,
    ) -> Result<Option<Languages>> {
        let settings = files.object(TOKENIZER_CONFIG)?;
        let Some(speakers) = Speakers::of(files, &settings, config) else {
            return Ok(None);
        };
        let languages = find(speakers, inner, &settings)?;
        let end = declared.token(Role::Eos).unwrap_or("</s>").to_owned();
        let Some(end_id) = inner.token_to_id(&end).filter(|_| !languages.is_empty()) else {
            return Ok(None);
        };
        let legacy = flag(&settings, "legacy_behaviour")?.unwrap_or(false);
        let said = |key: &str| -> Result<Option<String>> {
            match settings.get(key) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(code)) => Ok(Some(code.clone())),
                Some(other) => Err(Error::malformed(
                    TOKENIZER_CONFIG,
                    format!("{key} should be a language, not {other}"),
                )),
            }
        };
        let languages = Languages {
            speakers,
            languages,
            end: (end, end_id),
            stands_after: speakers == Speakers::Mbart || (speakers == Speakers::Nllb && legacy),
            source: said("src_lang")?.unwrap_or_else(|| speakers.usual().to_owned()),
            target: said("tgt_lang")?,
        };
        for (key, code) in [
            ("src_lang", Some(&languages.source)),
            ("tgt_lang", languages.target.as_ref()),
        ] {
            if let Some(code) = code {
                languages.get(code).map_err(|error| {
                    Error::malformed(TOKENIZER_CONFIG, format!("{key}: {error}"))
                })?;
            }
        }
        languages.frame(inner, &languages.source)?;
        Ok(Some(languages))
    }

    pub(crate) fn codes(&self) -> Vec<&str> {
        let codes = self.languages.iter();
        codes.map(|language| language.code.as_str()).collect()
    }

    /// What is written, and whether somebody said so; else it is what is read.
    pub(crate) fn target(&self) -> (&str, bool) {
        let said = self.target.as_deref();
        (said.unwrap_or(&self.source), said.is_some())
    }

    /// Chooses what is read.
    pub(crate) fn read(&mut self, inner: &mut Pipeline, code: &str) -> Result<String> {
        let code = self.get(code)?.code.clone();
        self.frame(inner, &code)?;
        self.source.clone_from(&code);
        Ok(code)
    }

    /// Chooses what is written.
    pub(crate) fn write(&mut self, code: &str) -> Result<String> {
        let code = self.get(code)?.code.clone();
        self.target = Some(code.clone());
        Ok(code)
    }

    /// Puts the tokens of a language around all texts from now on.
    pub(crate) fn frame(&self, inner: &mut Pipeline, code: &str) -> Result<()> {
        let Language { token, id, .. } = self.get(code)?;
        let language = (Step::Token(token, *id), 0);
        let end = (Step::Token(&self.end.0, self.end.1), 0);
        let mut single = vec![(Step::First, 0)];
        let mut pair = vec![(Step::First, 0), (Step::Second, 0)];
        for steps in [&mut single, &mut pair] {
            if self.stands_after {
                steps.extend([end, language]);
            } else {
                steps.insert(0, language);
                steps.push(end);
            }
        }
        let template = template(&single, &pair);
        let processor: PostProcessorWrapper = serde_json::from_value(template)
            .map_err(|error| Error::malformed(TOKENIZER_CONFIG, error.to_string()))?;
        inner.with_post_processor(Some(processor));
        Ok(())
    }

    pub(crate) fn start(&self, code: &str) -> Result<TargetStart> {
        let id = self.get(code)?.id;
        Ok(if self.speakers == Speakers::Mbart {
            TargetStart::DecoderStart(id)
        } else {
            TargetStart::ForcedFirst(id)
        })
    }

    /// The language of a code, or of a token.
    fn get(&self, code: &str) -> Result<&Language> {
        let mut languages = self.languages.iter();
        let found = languages.find(|language| language.code == code || language.token == code);
        found.ok_or_else(|| Error::Language {
            code: code.to_owned(),
            reason: unknown(code, &self.codes()),
        })
    }
}

/// The languages that a tokenizer has tokens for: those of its kind, and those that were added since.
fn find(
    speakers: Speakers,
    inner: &mut Pipeline,
    settings: &Map<String, Value>,
) -> Result<Vec<Language>> {
    let added = inner.get_added_tokens_decoder();
    let own = speakers.codes(settings)?.into_iter().map(str::to_owned);
    let further = added
        .values()
        .filter_map(|token| speakers.code(&token.content));
    let mut languages: Vec<Language> = own
        .chain(further.map(str::to_owned))
        .filter_map(|code| {
            let token = speakers.token(&code);
            let id = inner.token_to_id(&token)?;
            Some(Language { code, token, id })
        })
        .collect();
    languages.sort_by_key(|language| language.id);
    languages.dedup_by_key(|language| language.id);
    let missing = languages
        .iter()
        .filter(|language| !added.contains_key(&language.id))
        .map(|language| tokenizers::AddedToken::from(language.token.clone(), true));
    inner
        .add_special_tokens(missing.collect::<Vec<_>>())
        .map_err(|error| Error::malformed(TOKENIZER_CONFIG, error.to_string()))?;
    Ok(languages)
}

/// What is wrong with the code of a language that there is not.
fn unknown(code: &str, codes: &[&str]) -> String {
    let lower = code.to_lowercase();
    // Codes of other lists often begin alike: "de" is "de_DE" and "deu_Latn".
    let mut alike = codes.iter().copied();
    let alike = alike.find(|known| !lower.is_empty() && known.to_lowercase().starts_with(&lower));
    let near = alike.or_else(|| engraft_component::nearest(code, codes.iter().copied()));
    let near = near.map(|near| format!("; did you mean \"{near}\"?"));
    format!(
        "the tokenizer does not know it{} It knows {}",
        near.as_deref().unwrap_or("."),
        engraft_component::listed(codes)
    )
}
